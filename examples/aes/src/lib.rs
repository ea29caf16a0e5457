//! AES-128-CBC in a virtine: the key's cipher state and the encrypted data are gone after each call.

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use wasp_core::virtine;

/// Bytes of a block, a key and an initialization vector.
pub const BLOCK: usize = 16;

/// Encrypts whole blocks in place, without padding, on the host itself. A virtine runs the same code.
///
/// # Errors
///
/// The length, if it is not a multiple of the block size.
pub fn in_place(key: &[u8; BLOCK], iv: &[u8; BLOCK], data: &mut [u8]) -> Result<(), usize> {
    let length = data.len();
    let cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
    cipher
        .encrypt_padded::<NoPadding>(data, length)
        .map_err(|_| length)?;
    Ok(())
}

/// The same in a virtine: the plaintext is passed by reference, and the ciphertext is returned.
///
/// # Errors
///
/// The length, if it is not a multiple of the block size.
#[virtine(memory = "4MiB", init = detect)]
pub fn encrypt(key: &[u8; BLOCK], iv: &[u8; BLOCK], plain: &[u8]) -> Result<Vec<u8>, usize> {
    let mut data = plain.to_vec();
    in_place(key, iv, &mut data)?;
    Ok(data)
}

/// Detects the CPU's features before the snapshot, since each query takes an exit.
fn detect() {
    let mut block = [0; BLOCK];
    // One block is a multiple of the block size.
    let _ = in_place(&[0; BLOCK], &[0; BLOCK], &mut block);
}
