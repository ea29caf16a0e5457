//! KVM's structs of registers, and those of the public API.

use kvm_bindings::kvm_regs;

use crate::base::registers::Registers;

/// Both ways between structs that have the same fields.
macro_rules! same_fields {
    ($own:ty, $kvm:ty, $($field:ident)*; $($rest:tt)*) => {
        impl From<&$kvm> for $own {
            fn from(from: &$kvm) -> Self {
                Self { $($field: from.$field),* }
            }
        }

        impl From<&$own> for $kvm {
            fn from(from: &$own) -> Self {
                Self { $($field: from.$field,)* $($rest)* }
            }
        }
    };
}

pub(crate) use same_fields;

same_fields!(
    Registers, kvm_regs,
    rax rbx rcx rdx rsi rdi rsp rbp r8 r9 r10 r11 r12 r13 r14 r15 rip rflags;
);
