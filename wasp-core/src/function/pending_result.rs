//! The end of a call: takes the result that its guest hands over.

use std::mem::MaybeUninit;

use serde::Deserialize;
use virtine_rt::abi::hypercall;
use virtine_rt::codec::{Encoding, plain};

use crate::Error;
use crate::base::hypercall::Hypercall;
use crate::decode;
use crate::decode::elsewhere::{Copies, Elsewhere, Memory};
use crate::decode::failure::Failure;
use crate::decode::source::Source;
use crate::decode::statics::Statics;
use crate::function::ready::Ready;
use crate::function::returned::Mismatch;
use crate::guest::layout::Layout;
use crate::guest::protocol;
use crate::guest::service::{self, ServiceContext};
use crate::limits::meter::Meter;
use crate::machine::Machine;
use crate::machine::stop::Stop;
use crate::service::Completion;

/// Bytes of a result that are copied to the stack.
const FEW: usize = 256;
/// Bytes that are copied between two checks of the clock.
const PIECE: usize = 1 << 20;

/// A call whose guest has a result.
pub(crate) struct PendingResult<'a> {
    pub(crate) ready: &'a Ready,
    pub(crate) meter: &'a Meter,
    /// How many levels deep the result may nest.
    pub(crate) depth: u32,
}

impl PendingResult<'_> {
    /// Decodes the result and the changed arguments, which `accept` must approve. The guest says where they lie, their
    /// length in bytes, and how they are encoded.
    #[inline]
    pub(crate) fn decode<R: Deserialize<'static>, C: Deserialize<'static>>(
        &self,
        machine: &Machine,
        [address, length, encoding]: [u64; 3],
        accept: &impl Fn(&C) -> Result<(), Mismatch>,
    ) -> Result<(R, C), Failure> {
        let layout = self.ready.prepared.layout();
        if !protocol::owns(machine, layout, address, length) {
            return Err(Failure::Place { address, length });
        }
        let (mut few, many);
        let bytes = match length as usize {
            length if length <= FEW => {
                few = [0; FEW];
                let few = few.get_mut(..length).unwrap_or_default();
                machine.memory().read(address, few).ok_or(Failure::Gone)?;
                &*few
            }
            length => {
                many = self.copied(machine, address, length)?;
                &*many
            }
        };
        let space = GuestOwn { machine, layout };
        let copies = Copies::new();
        let source = Source {
            bytes,
            encoding: match encoding {
                1 => Encoding::Described,
                _ => Encoding::Bare,
            },
            depth: self.depth,
            elsewhere: Elsewhere::of(&space, &copies, layout.granted),
            statics: Statics::new(&self.ready.segments),
        };
        let mut allowance = self.meter.allowance().in_machine(machine.slot());
        decode::decode(source, &mut allowance, |(_, changed): &(R, C)| {
            accept(changed).map_err(|Mismatch(reason)| Failure::Invalid(reason))
        })
    }

    /// Copies many bytes, in pieces.
    fn copied(&self, machine: &Machine, address: u64, length: usize) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let piece = PIECE.min(length - bytes.len());
            let at = address + bytes.len() as u64;
            let memory = machine.memory();
            if !plain::extend_with(&mut bytes, piece, |place| memory.read_into(at, place)) {
                let length = length as u64;
                return Err(Failure::Place { address, length });
            }
            self.meter.check().map_err(Failure::Ended)?;
        }
        Ok(bytes)
    }

    /// Asks the guest to encode its result again, described. The guest may make requests meanwhile.
    #[cold]
    pub(crate) fn ask_again(
        &self,
        machine: &mut Machine,
        context: ServiceContext<'_>,
    ) -> Result<Completion, Error> {
        machine.answer(0);
        let stop = machine.resume_behind_signals(Stop::Interrupted, self.meter.deadline())?;
        match stop {
            Stop::Hypercall(Hypercall {
                number: hypercall::DONE,
                ..
            }) => Ok(Completion::Stopped(stop)),
            stop => Ok(service::serve(machine, stop, context)?.completion),
        }
    }
}

/// The guest's memory, as far as a result may refer to its contents.
struct GuestOwn<'a> {
    machine: &'a Machine,
    layout: &'a Layout,
}

impl Memory for GuestOwn<'_> {
    fn owns(&self, address: u64, length: u64) -> bool {
        protocol::owns(self.machine, self.layout, address, length)
    }

    fn copy<'t>(&self, address: u64, to: &'t mut [MaybeUninit<u8>]) -> Option<&'t mut [u8]> {
        self.machine.memory().read_into(address, to)
    }
}
