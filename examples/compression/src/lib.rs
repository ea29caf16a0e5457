//! A C library in a virtine: zstd's encoder and decoder, which read what anybody may have made.

use wasp_core::virtine;

/// Undoes [`compress()`], in a virtual machine of its own; at most `limit` bytes. The error is zstd's.
#[virtine(std, memory = "64MiB")]
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    decompress_here(bytes, limit)
}

/// The same in the process itself.
///
/// # Errors
///
/// Zstd's.
pub fn decompress_here(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(bytes, limit).map_err(|error| error.to_string())
}

/// Compresses in a virtual machine of its own.
#[virtine(std, memory = "64MiB")]
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>, String> {
    zstd::bulk::compress(bytes, level).map_err(|error| error.to_string())
}
