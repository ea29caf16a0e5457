//! Accesses to I/O ports, read from the instruction that was refused (Intel SDM vol. 2: IN, OUT, INS, OUTS).

use crate::base::exit::Direction;
use crate::base::registers::Registers;
use crate::machine::stop::PortAccess;

/// The longest instruction (Intel SDM vol. 2, 2.3.11).
pub(super) const LONGEST: usize = 15;

/// An access to a port, and how many bytes its instruction has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PortInstruction {
    pub(super) access: PortAccess,
    pub(super) length: u64,
}

/// What `bytes`, from the instruction pointer on, do with a port; `None` where they do something else. String
/// instructions are none of it: they touch memory, too.
#[inline]
pub(super) fn decode(bytes: &[u8], registers: &Registers) -> Option<PortInstruction> {
    let (mut wide, mut at) = (false, 0);
    loop {
        match bytes.get(at)? {
            0x66 => wide = true,
            // Prefixes without a meaning here: REX, repeat, segments.
            0x40..=0x4f | 0xf2 | 0xf3 | 0x26 | 0x2e | 0x36 | 0x3e | 0x64 | 0x65 | 0x67 => {}
            _ => break,
        }
        at += 1;
    }
    let opcode = *bytes.get(at)?;
    let (port, length) = match opcode {
        0xe4..=0xe7 => (u16::from(*bytes.get(at + 1)?), at + 2),
        0xec..=0xef => (registers.rdx as u16, at + 1),
        _ => return None,
    };
    let width = match (opcode & 1, wide) {
        (0, _) => 1,
        (_, true) => 2,
        (_, false) => 4,
    };
    let direction = match opcode & 2 {
        0 => Direction::In,
        _ => Direction::Out,
    };
    let value = registers.rax & ((1 << (8 * width)) - 1);
    Some(PortInstruction {
        access: PortAccess {
            port,
            direction,
            width: width as u8,
            count: 1,
            data: match direction {
                Direction::Out => value as u32,
                Direction::In => 0,
            },
        },
        length: length as u64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(bytes: &[u8]) -> Option<(u16, Direction, u8, u32, u64)> {
        let registers = Registers {
            rax: 0x1122_3344_5566_7788,
            rdx: 0xffff_03f8,
            ..Registers::default()
        };
        let PortInstruction { access, length } = decode(bytes, &registers)?;
        Some((
            access.port,
            access.direction,
            access.width,
            access.data,
            length,
        ))
    }

    #[test]
    fn forms_of_in_and_out_are_told_apart() {
        let (inward, outward) = (Direction::In, Direction::Out);
        // out 0xff, al | out 0xfa, eax | out 0xfa, ax | out dx, al | out dx, eax | out dx, ax
        assert_eq!(access(&[0xe6, 0xff]), Some((0xff, outward, 1, 0x88, 2)));
        assert_eq!(
            access(&[0xe7, 0xfa]),
            Some((0xfa, outward, 4, 0x5566_7788, 2))
        );
        assert_eq!(
            access(&[0x66, 0xe7, 0xfa]),
            Some((0xfa, outward, 2, 0x7788, 3))
        );
        assert_eq!(access(&[0xee]), Some((0x3f8, outward, 1, 0x88, 1)));
        assert_eq!(access(&[0xef]), Some((0x3f8, outward, 4, 0x5566_7788, 1)));
        assert_eq!(
            access(&[0x66, 0x48, 0xef]),
            Some((0x3f8, outward, 2, 0x7788, 3))
        );
        // in al, 5 | in eax, dx
        assert_eq!(access(&[0xe4, 5]), Some((5, inward, 1, 0, 2)));
        assert_eq!(access(&[0xed]), Some((0x3f8, inward, 4, 0, 1)));
    }

    #[test]
    fn all_else_is_no_access() {
        // hlt | cli | rep outsb | mov eax, [0] | a prefix and nothing more | nothing
        for bytes in [
            &[0xf4][..],
            &[0xfa],
            &[0xf3, 0x6e],
            &[0x8b, 4, 0x25],
            &[0x66; 15],
            &[],
        ] {
            assert_eq!(access(bytes), None, "{bytes:02x?}");
        }
    }
}
