//! AES-128-CBC in a virtine: the key's cipher state, and what was encrypted, are gone with each call.

use aes::Aes128;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use wasp_core::virtine;

/// Bytes of a block, a key and an initialisation vector alike.
pub const BLOCK: usize = 16;

/// Encrypts whole blocks in place, without padding, on the host itself. A virtine runs the same code.
///
/// # Errors
///
/// With the length, where it is not one of whole blocks.
pub fn in_place(key: &[u8; BLOCK], iv: &[u8; BLOCK], data: &mut [u8]) -> Result<(), usize> {
    let length = data.len();
    let cipher = cbc::Encryptor::<Aes128>::new(key.into(), iv.into());
    cipher
        .encrypt_padded::<NoPadding>(data, length)
        .map_err(|_| length)?;
    Ok(())
}

/// The same in a virtine: the text goes in by reference, and what it is encrypted to comes out.
///
/// # Errors
///
/// With the length, where it is not one of whole blocks.
#[virtine(memory = "4MiB", init = detect)]
pub fn encrypt(key: &[u8; BLOCK], iv: &[u8; BLOCK], plain: &[u8]) -> Result<Vec<u8>, usize> {
    let mut data = plain.to_vec();
    in_place(key, iv, &mut data)?;
    Ok(data)
}

/// Has the snapshot know what the processor can: to ask it takes an exit each time.
fn detect() {
    let mut block = [0; BLOCK];
    // One block is whole.
    let _ = in_place(&[0; BLOCK], &[0; BLOCK], &mut block);
}
