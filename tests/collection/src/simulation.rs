//! Simulations, machines and games.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[virtine]
pub fn game_of_life(board: Vec<Vec<bool>>, generations: usize) -> Vec<Vec<bool>> {
    let mut board = board;
    for _ in 0..generations {
        let (h, w) = (board.len() as i64, board[0].len() as i64);
        let alive = |x: i64, y: i64| board[y.rem_euclid(h) as usize][x.rem_euclid(w) as usize];
        let next = (0..h)
            .map(|y| {
                (0..w)
                    .map(|x| {
                        let around = (-1..=1)
                            .flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)))
                            .filter(|&d| d != (0, 0))
                            .filter(|(dx, dy)| alive(x + dx, y + dy))
                            .count();
                        matches!((alive(x, y), around), (true, 2) | (_, 3))
                    })
                    .collect()
            })
            .collect();
        board = next;
    }
    board
}

#[virtine]
pub fn elementary_automaton(rule: u8, width: usize, steps: usize) -> String {
    let mut cells = vec![false; width];
    cells[width / 2] = true;
    let mut out = String::new();
    for _ in 0..steps {
        out.extend(cells.iter().map(|&c| if c { '#' } else { '.' }));
        out.push('\n');
        cells = (0..width)
            .map(|i| {
                let bit = |j: usize| usize::from(cells[j % width]);
                rule >> (bit(i + width - 1) << 2 | bit(i) << 1 | bit(i + 1)) & 1 == 1
            })
            .collect();
    }
    out
}

#[virtine(timeout = "20s")]
pub fn brainfuck(program: &str, input: &[u8]) -> Result<Vec<u8>, String> {
    let code: Vec<u8> = program
        .bytes()
        .filter(|b| b"<>+-.,[]".contains(b))
        .collect();
    let mut jumps = HashMap::new();
    let mut open = vec![];
    for (at, op) in code.iter().enumerate() {
        match op {
            b'[' => open.push(at),
            b']' => {
                let start = open.pop().ok_or_else(|| format!("unmatched ] at {at}"))?;
                jumps.insert(start, at);
                jumps.insert(at, start);
            }
            _ => {}
        }
    }
    if let Some(at) = open.pop() {
        return Err(format!("unmatched [ at {at}"));
    }
    let (mut tape, mut pointer, mut at) = (vec![0u8; 1000], 0usize, 0);
    let mut input = input.iter();
    let mut output = vec![];
    while let Some(op) = code.get(at) {
        match op {
            b'>' => pointer += 1,
            b'<' => pointer = pointer.checked_sub(1).ok_or("fell off the tape")?,
            b'+' => tape[pointer] = tape[pointer].wrapping_add(1),
            b'-' => tape[pointer] = tape[pointer].wrapping_sub(1),
            b'.' => output.push(tape[pointer]),
            b',' => tape[pointer] = input.next().copied().unwrap_or(0),
            b'[' if tape[pointer] == 0 => at = jumps[&at],
            b']' if tape[pointer] != 0 => at = jumps[&at],
            _ => {}
        }
        at += 1;
    }
    Ok(output)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Instruction {
    Push(i64),
    Add,
    Mul,
    Sub,
    Dup,
    Swap,
    JumpIfZero(usize),
    Jump(usize),
    Print,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Trap {
    StackUnderflow { at: usize },
    Overflow,
    OutOfSteps,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Trap::StackUnderflow { at } => write!(f, "stack underflow at {at}"),
            Trap::Overflow => f.write_str("overflow"),
            Trap::OutOfSteps => f.write_str("out of steps"),
        }
    }
}

impl std::error::Error for Trap {}

#[virtine]
pub fn stack_machine(program: Vec<Instruction>) -> Result<Vec<String>, Trap> {
    let mut stack: Vec<i64> = Vec::new();
    let mut printed = vec![];
    let mut at = 0;
    for _ in 0..10_000 {
        let Some(instruction) = program.get(at) else {
            return Ok(printed);
        };
        let underflow = Trap::StackUnderflow { at };
        let mut pop = || stack.pop();
        at += 1;
        match instruction {
            Instruction::Push(n) => stack.push(*n),
            Instruction::Add | Instruction::Mul | Instruction::Sub => {
                let (Some(b), Some(a)) = (pop(), pop()) else {
                    return Err(underflow);
                };
                let result = match instruction {
                    Instruction::Add => a.checked_add(b),
                    Instruction::Mul => a.checked_mul(b),
                    _ => a.checked_sub(b),
                };
                stack.push(result.ok_or(Trap::Overflow)?);
            }
            Instruction::Dup => {
                let top = *stack.last().ok_or(underflow)?;
                stack.push(top);
            }
            Instruction::Swap => {
                let n = stack.len();
                if n < 2 {
                    return Err(underflow);
                }
                stack.swap(n - 1, n - 2);
            }
            &Instruction::JumpIfZero(to) => {
                if pop().ok_or(underflow)? == 0 {
                    at = to;
                }
            }
            &Instruction::Jump(to) => at = to,
            Instruction::Print => printed.push(pop().ok_or(underflow)?.to_string()),
        }
    }
    Err(Trap::OutOfSteps)
}

#[virtine]
pub fn langtons_ant(steps: usize) -> usize {
    let mut black = HashSet::new();
    let (mut x, mut y, mut dx, mut dy) = (0i32, 0i32, 0i32, -1i32);
    for _ in 0..steps {
        if black.remove(&(x, y)) {
            (dx, dy) = (dy, -dx);
        } else {
            black.insert((x, y));
            (dx, dy) = (-dy, dx);
        }
        x += dx;
        y += dy;
    }
    black.len()
}

#[derive(Clone, Copy)]
struct Lcg(u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        self.0 >> 33
    }
}

impl Iterator for Lcg {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        Some(Lcg::next(self))
    }
}

#[virtine]
pub fn monte_carlo_pi(samples: u32, seed: u64) -> f64 {
    let mut random = Lcg(seed);
    let mut coordinate = || Lcg::next(&mut random) as f64 / (1u64 << 31) as f64;
    let inside = (0..samples)
        .filter(|_| coordinate().powi(2) + coordinate().powi(2) <= 1.0)
        .count();
    4.0 * inside as f64 / f64::from(samples)
}

#[virtine]
pub fn shuffle(mut cards: Vec<u8>, seed: u64) -> Vec<u8> {
    let mut random = Lcg(seed);
    for i in (1..cards.len()).rev() {
        let j = (Iterator::next(&mut random).unwrap() % (i as u64 + 1)) as usize;
        cards.swap(i, j);
    }
    cards
}

#[virtine]
pub fn bank_queue(arrivals: &[u32], service: u32, tellers: usize) -> Vec<u32> {
    let mut free_at = vec![0; tellers];
    arrivals
        .iter()
        .map(|&arrival| {
            let teller = free_at.iter_mut().min().unwrap();
            let start = arrival.max(*teller);
            *teller = start + service;
            start - arrival
        })
        .collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Light {
    Red,
    Green,
    Yellow,
}

impl Light {
    fn next(self) -> Self {
        use Light::*;
        match self {
            Red => Green,
            Green => Yellow,
            Yellow => Red,
        }
    }
}

#[virtine]
pub fn traffic(start: Light, steps: usize) -> BTreeMap<Light, usize> {
    let mut seen = BTreeMap::new();
    let mut light = start;
    for _ in 0..steps {
        *seen.entry(light).or_insert(0) += 1;
        light = light.next();
    }
    seen
}

#[virtine]
pub fn josephus(n: usize, k: usize) -> Vec<usize> {
    let mut circle: VecDeque<usize> = (1..=n).collect();
    let mut order = vec![];
    while !circle.is_empty() {
        circle.rotate_left((k - 1) % circle.len());
        order.extend(circle.pop_front());
    }
    order
}

#[virtine]
pub fn projectile(speed: f64, angle: f64) -> (f64, f64) {
    let (vx, mut vy) = (
        speed * angle.to_radians().cos(),
        speed * angle.to_radians().sin(),
    );
    let (mut x, mut y, mut top) = (0.0, 0.0, 0.0f64);
    while y >= 0.0 {
        x += vx * 0.001;
        y += vy * 0.001;
        vy -= 9.81 * 0.001;
        top = top.max(y);
    }
    ((x * 10.0).round() / 10.0, (top * 10.0).round() / 10.0)
}

#[virtine]
pub fn tic_tac_toe(board: [Option<char>; 9]) -> Option<char> {
    const LINES: [[usize; 3]; 8] = [
        [0, 1, 2],
        [3, 4, 5],
        [6, 7, 8],
        [0, 3, 6],
        [1, 4, 7],
        [2, 5, 8],
        [0, 4, 8],
        [2, 4, 6],
    ];
    LINES
        .iter()
        .find_map(|&[a, b, c]| board[a].filter(|_| board[a] == board[b] && board[b] == board[c]))
}

#[virtine]
pub fn bowling(rolls: &[u32]) -> u32 {
    let mut total = 0;
    let mut at = 0;
    for _ in 0..10 {
        let roll = |i: usize| rolls.get(i).copied().unwrap_or(0);
        if roll(at) == 10 {
            total += 10 + roll(at + 1) + roll(at + 2);
            at += 1;
        } else {
            let frame = roll(at) + roll(at + 1);
            total += frame + if frame == 10 { roll(at + 2) } else { 0 };
            at += 2;
        }
    }
    total
}
