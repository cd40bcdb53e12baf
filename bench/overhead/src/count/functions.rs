//! Which function of a module V8's code belongs to.
//!
//! V8 calls the functions of a module through a table of jumps: one slot of eight bytes for each
//! function that the module defines, in their order. So where the slots lead is where the functions
//! begin. The table is looked for in memory that is executable and no file's.

use std::fs;
use std::ops::Range;

use super::worker::Worker;

/// Bytes of a slot: a jump, and what fills it up.
const SLOT: usize = 8;
/// `jmp rel32` of x86-64: its first byte, and its length.
const JUMP: (u8, usize) = (0xe9, 5);
/// No function whose end is not known is taken to be larger than that.
const LARGEST: u64 = 4096;

/// What of a process's memory is executable.
#[derive(Debug, Default)]
pub(crate) struct Code {
    /// Code that the process made itself.
    pub(crate) made: Vec<Range<u64>>,
}

impl Code {
    /// Looks up the code of a process.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn of(process: u32) -> std::io::Result<Code> {
        let maps = fs::read_to_string(format!("/proc/{process}/maps"))?;
        Ok(Code { made: maps.lines().filter_map(made).collect() })
    }

    /// Whether the process made the code at `address` itself.
    pub(crate) fn has(&self, address: u64) -> bool {
        self.made.iter().any(|range| range.contains(&address))
    }
}

/// The memory that a line of `/proc/PID/maps` tells of, if it is executable and no file's.
fn made(line: &str) -> Option<Range<u64>> {
    let mut words = line.split_whitespace();
    let (begin, end) = words.next()?.split_once('-')?;
    let executable = words.next()?.contains('x');
    // The offset in a file, the device, the file's number, and its name.
    let named = words.nth(3).is_some();
    let number = |digits| u64::from_str_radix(digits, 16).ok();
    Some(number(begin)?..number(end)?).filter(|_| executable && !named)
}

/// Where the functions of a module begin in V8's code.
#[derive(Debug)]
pub(crate) struct Functions {
    /// Where the table lies.
    table: Range<u64>,
    /// Where a function begins, and its place among those that the module defines; sorted.
    starts: Vec<(u64, usize)>,
}

/// What is at an address of V8's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A function of the module, by its place among those that it defines.
    Function(usize),
    /// The table of jumps.
    JumpTable,
    /// V8's own: what leads from a function to the host.
    Glue,
}

impl Functions {
    /// Finds the code of a module that defines so many functions.
    pub(crate) fn find(worker: &Worker, code: &Code, count: usize) -> Option<Functions> {
        code.made.iter().find_map(|range| {
            let mut bytes = vec![0; usize::try_from(range.end - range.start).ok()?];
            let read = worker.memory(range.start, &mut bytes);
            Functions::within(bytes.get(..read)?, range, count)
        })
    }

    fn within(bytes: &[u8], range: &Range<u64>, count: usize) -> Option<Functions> {
        let first = table(bytes, range, count)?;
        let begin = range.start + first as u64;
        let slots = bytes.get(first..)?.chunks_exact(SLOT).take(count);
        let addresses = (begin..).step_by(SLOT);
        let starts = addresses.zip(slots).filter_map(|(address, slot)| target(address, slot));
        let mut starts: Vec<_> = starts.zip(0..).collect();
        starts.sort_unstable();
        Some(Functions { table: begin..begin + (count * SLOT) as u64, starts })
    }

    /// What is at this address.
    pub(crate) fn at(&self, address: u64) -> Place {
        if self.table.contains(&address) {
            return Place::JumpTable;
        }
        let after = self.starts.partition_point(|(start, _)| *start <= address);
        let found = after.checked_sub(1).and_then(|index| self.starts.get(index));
        // V8 puts what leads to the host behind the functions.
        let inside = |start| after < self.starts.len() || address - start < LARGEST;
        match found {
            Some((start, function)) if inside(*start) => Place::Function(*function),
            _ => Place::Glue,
        }
    }
}

/// Where in this code a run of so many slots begins.
fn table(bytes: &[u8], range: &Range<u64>, count: usize) -> Option<usize> {
    let mut run = 0;
    for (index, slot) in bytes.chunks_exact(SLOT).enumerate() {
        let address = range.start + (index * SLOT) as u64;
        let jumps = target(address, slot).is_some_and(|to| range.contains(&to));
        run = if jumps { run + 1 } else { 0 };
        if run == count {
            return Some((index + 1 - count) * SLOT);
        }
    }
    None
}

/// Where the jump of a slot at this address leads.
fn target(address: u64, slot: &[u8]) -> Option<u64> {
    let (opcode, length) = JUMP;
    let offset = slot.get(1..length)?.try_into().ok().map(i32::from_le_bytes)?;
    let next = address + length as u64;
    (slot.first() == Some(&opcode)).then(|| next.wrapping_add_signed(offset.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Code with a table of two slots at 0x1010, that lead to 0x1040 and 0x1030.
    fn code() -> Vec<u8> {
        let mut bytes = vec![0x90; 0x60];
        for (slot, to) in [(0x10, 0x40_i32), (0x18, 0x30)] {
            bytes[slot] = 0xe9;
            bytes[slot + 1..slot + 5].copy_from_slice(&(to - slot as i32 - 5).to_le_bytes());
        }
        bytes
    }

    #[test]
    fn functions_begin_where_the_slots_of_the_table_lead() {
        let found = Functions::within(&code(), &(0x1000..0x1060), 2).unwrap();
        let places = [0x1012, 0x1030, 0x103f, 0x1040, 0x1000, 0x9000].map(|at| found.at(at));
        let function = Place::Function;
        let expected = [Place::JumpTable, function(1), function(1), function(0)];
        assert_eq!(places[..4], expected);
        assert_eq!(places[4..], [Place::Glue; 2]);
    }

    #[test]
    fn a_table_of_another_module_is_not_taken() {
        assert!(Functions::within(&code(), &(0x1000..0x1060), 3).is_none());
    }

    #[test]
    fn code_is_what_is_executable_and_no_files() {
        let maps = [
            ("1000-2000 r-xp 00000000 00:00 0 ", Some(0x1000..0x2000)),
            ("1000-2000 rw-p 00000000 00:00 0 ", None),
            ("1000-2000 r-xp 00000000 fd:01 77   /usr/lib/libc.so", None),
        ];
        maps.into_iter().for_each(|(line, expected)| assert_eq!(made(line), expected, "{line}"));
    }
}
