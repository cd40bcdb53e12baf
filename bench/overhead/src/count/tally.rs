//! What one request executed, and what memory that touched.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use iced_x86::{Decoder, DecoderOptions, Instruction, InstructionInfoFactory, Mnemonic, Register};

use super::worker::{Registers, Worker};

/// Bits of an address within a line of the processor's cache, and within a page.
const LINE: u32 = 6;
const PAGE: u32 = 12;

/// The longest instruction of x86-64.
const LONGEST: usize = 15;

/// Memory by lines of 64 bytes and pages of 4 KB.
#[derive(Debug, Clone, Default)]
pub(crate) struct Touched {
    lines: HashSet<u64>,
    pages: HashSet<u64>,
}

impl Touched {
    fn touch(&mut self, address: u64) {
        self.lines.insert(address >> LINE);
        self.pages.insert(address >> PAGE);
    }

    /// Lines and pages.
    pub(crate) fn counts(&self) -> [usize; 2] {
        [self.lines.len(), self.pages.len()]
    }
}

/// What one part of the code did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Instructions; each turn of one that repeats itself counts.
    pub(crate) instructions: u64,
    /// Where they are.
    pub(crate) code: Touched,
    /// What they read and write.
    pub(crate) data: Touched,
}

/// Tallies by part of the code.
pub(crate) struct Tallies<K> {
    decoded: HashMap<u64, Instruction>,
    memory_used: InstructionInfoFactory,
    tallies: HashMap<K, Tally>,
    /// The parts, as they first ran.
    order: Vec<K>,
}

impl<K: Copy + Eq + Hash> Tallies<K> {
    /// Nothing has run.
    pub(crate) fn new() -> Self {
        let (decoded, tallies) = (HashMap::new(), HashMap::new());
        let memory_used = InstructionInfoFactory::new();
        Self { decoded, memory_used, tallies, order: Vec::new() }
    }

    /// Counts the instruction that runs next for these parts.
    pub(crate) fn count(&mut self, worker: &Worker, registers: &Registers, parts: &[K]) {
        let at = registers.rip;
        let instruction = self.decoded.entry(at).or_insert_with(|| decode(worker, at));
        let data = data(&mut self.memory_used, instruction, registers);
        for part in parts {
            let tally = self.tallies.entry(*part).or_insert_with(|| {
                self.order.push(*part);
                Tally::default()
            });
            tally.instructions += 1;
            tally.code.touch(at);
            data.iter().for_each(|address| tally.data.touch(*address));
        }
    }

    /// What a part did.
    pub(crate) fn get(&self, part: K) -> Tally {
        self.tallies.get(&part).cloned().unwrap_or_default()
    }

    /// The parts, in the order in which they first ran.
    pub(crate) fn order(&self) -> &[K] {
        &self.order
    }
}

fn decode(worker: &Worker, at: u64) -> Instruction {
    let mut bytes = [0; LONGEST];
    let read = worker.memory(at, &mut bytes);
    let bytes = bytes.get(..read).unwrap_or_default();
    Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode()
}

/// The first and the last byte of all memory that an instruction reads or writes.
fn data(
    memory_used: &mut InstructionInfoFactory,
    instruction: &Instruction,
    registers: &Registers,
) -> Vec<u64> {
    // These name memory, but do not touch it.
    if matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop) {
        return Vec::new();
    }
    let used = memory_used.info(instruction).used_memory();
    let places = used.iter().filter_map(|memory| {
        let begin = memory.virtual_address(0, |register, _, _| value(registers, register))?;
        let size = memory.memory_size().size().max(1) as u64;
        Some([begin, begin.wrapping_add(size - 1)])
    });
    places.flatten().collect()
}

/// What a register holds, as far as addresses are made of it.
fn value(registers: &Registers, register: Register) -> Option<u64> {
    Some(match register.full_register() {
        Register::RAX => registers.rax,
        Register::RBX => registers.rbx,
        Register::RCX => registers.rcx,
        Register::RDX => registers.rdx,
        Register::RSI => registers.rsi,
        Register::RDI => registers.rdi,
        Register::RBP => registers.rbp,
        Register::RSP => registers.rsp,
        Register::R8 => registers.r8,
        Register::R9 => registers.r9,
        Register::R10 => registers.r10,
        Register::R11 => registers.r11,
        Register::R12 => registers.r12,
        Register::R13 => registers.r13,
        Register::R14 => registers.r14,
        Register::R15 => registers.r15,
        Register::FS => registers.fs_base,
        Register::GS => registers.gs_base,
        Register::CS | Register::DS | Register::ES | Register::SS => 0,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_touches_what_its_registers_point_to() {
        let mut used = InstructionInfoFactory::new();
        let registers = Registers { rdi: 0x1000, rcx: 2, rsp: 0x9000, ..zeroed() };
        let cases: [(&[u8], &[u64]); 4] = [
            // mov rax, [rdi+rcx*8+16]
            (&[0x48, 0x8b, 0x44, 0xcf, 0x10], &[0x1020, 0x1027]),
            // lea rax, [rdi+rcx*8+16]
            (&[0x48, 0x8d, 0x44, 0xcf, 0x10], &[]),
            // push rax
            (&[0x50], &[0x8ff8, 0x8fff]),
            // add rax, rcx
            (&[0x48, 0x01, 0xc8], &[]),
        ];
        for (bytes, touched) in cases {
            let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
            assert_eq!(data(&mut used, &instruction, &registers), touched, "{bytes:x?}");
        }
    }

    #[test]
    fn memory_counts_by_lines_and_pages() {
        let mut touched = Touched::default();
        [0, 63, 64, 4095, 4096].into_iter().for_each(|address| touched.touch(address));
        assert_eq!(touched.counts(), [4, 2]);
    }

    fn zeroed() -> Registers {
        Registers {
            r15: 0,
            r14: 0,
            r13: 0,
            r12: 0,
            rbp: 0,
            rbx: 0,
            r11: 0,
            r10: 0,
            r9: 0,
            r8: 0,
            rax: 0,
            rcx: 0,
            rdx: 0,
            rsi: 0,
            rdi: 0,
            orig_rax: 0,
            rip: 0,
            cs: 0,
            eflags: 0,
            rsp: 0,
            ss: 0,
            fs_base: 0,
            gs_base: 0,
            ds: 0,
            es: 0,
            fs: 0,
            gs: 0,
        }
    }
}
