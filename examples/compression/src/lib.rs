//! A C library in a virtine: zstd's encoder and decoder, which read untrusted data.

use wasp_core::virtine;

/// Reverts [`compress()`], in its own virtual machine. Returns at most `limit` bytes. The error is zstd's.
#[virtine(std, memory = "64MiB")]
pub fn decompress(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    decompress_here(bytes, limit)
}

/// The same in the process itself.
///
/// # Errors
///
/// Errors of zstd.
pub fn decompress_here(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    zstd::bulk::decompress(bytes, limit).map_err(|error| error.to_string())
}

/// Compresses in its own virtual machine.
#[virtine(std, memory = "64MiB")]
pub fn compress(bytes: &[u8], level: i32) -> Result<Vec<u8>, String> {
    zstd::bulk::compress(bytes, level).map_err(|error| error.to_string())
}
