//! Forms of tuples.

use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

use super::wire::{As, AsRef, DecodeAs, EncodeAs};

/// A tuple's form is a tuple of forms.
macro_rules! tuples {
    ($($($form:ident $type:ident $index:tt)+;)*) => {$(
        impl<$($type, $form: EncodeAs<$type>),+> EncodeAs<($($type,)+)> for ($($form,)+) {
            fn encode<S: Serializer>(value: &($($type,)+), serializer: S) -> Result<S::Ok, S::Error> {
                ($(AsRef::<$form, $type>::new(&value.$index),)+).serialize(serializer)
            }
        }

        impl<'de, $($type, $form: DecodeAs<'de, $type>),+> DecodeAs<'de, ($($type,)+)> for ($($form,)+) {
            fn decode<De: Deserializer<'de>>(deserializer: De) -> Result<($($type,)+), De::Error> {
                let value = <($(As<$form, $type>,)+)>::deserialize(deserializer)?;
                Ok(($(value.$index.0,)+))
            }
        }
    )*};
}

tuples! {
    F0 T0 0;
    F0 T0 0 F1 T1 1;
    F0 T0 0 F1 T1 1 F2 T2 2;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5 F6 T6 6;
    F0 T0 0 F1 T1 1 F2 T2 2 F3 T3 3 F4 T4 4 F5 T5 5 F6 T6 6 F7 T7 7;
}
