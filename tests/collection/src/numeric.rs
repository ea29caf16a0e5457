//! Whole numbers.

use std::collections::BTreeMap;

use wasp_core::virtine;

#[virtine]
pub fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[virtine]
pub fn lcm(a: u64, b: u64) -> Option<u64> {
    match gcd(a, b) {
        0 => Some(0),
        divisor => (a / divisor).checked_mul(b),
    }
}

#[virtine]
pub fn extended_gcd(a: i64, b: i64) -> (i64, i64, i64) {
    if b == 0 {
        (a, 1, 0)
    } else {
        let (g, x, y) = extended_gcd(b, a % b);
        (g, y, x - a / b * y)
    }
}

#[virtine]
pub fn power_modulo(mut base: u64, mut exponent: u64, modulus: u64) -> u64 {
    let mut result = 1u128;
    let m = modulus as u128;
    base %= modulus;
    let mut b = base as u128;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * b % m;
        }
        b = b * b % m;
        exponent >>= 1;
    }
    result as u64
}

#[virtine]
pub fn sieve(limit: usize) -> Vec<usize> {
    let mut composite = vec![false; limit + 1];
    let mut primes = Vec::new();
    for n in 2..=limit {
        if !composite[n] {
            primes.push(n);
            for multiple in (n * n..=limit).step_by(n) {
                composite[multiple] = true;
            }
        }
    }
    primes
}

#[virtine]
pub fn factorize(mut n: u64) -> BTreeMap<u64, u32> {
    let mut factors = BTreeMap::new();
    let mut d = 2;
    while d * d <= n {
        while n % d == 0 {
            *factors.entry(d).or_insert(0) += 1;
            n /= d;
        }
        d += 1;
    }
    if n > 1 {
        *factors.entry(n).or_insert(0) += 1;
    }
    factors
}

#[virtine]
pub fn is_prime(n: u64) -> bool {
    const WITNESSES: [u64; 7] = [2, 3, 5, 7, 11, 13, 17];
    if n < 2 {
        return false;
    }
    for p in WITNESSES {
        if n % p == 0 {
            return n == p;
        }
    }
    let shift = (n - 1).trailing_zeros();
    let odd = (n - 1) >> shift;
    WITNESSES.iter().all(|&w| {
        let mut x = power_modulo(w, odd, n);
        if x == 1 || x == n - 1 {
            return true;
        }
        for _ in 1..shift {
            x = (x as u128 * x as u128 % n as u128) as u64;
            if x == n - 1 {
                return true;
            }
        }
        false
    })
}

#[virtine]
pub fn fibonacci(n: u32) -> u128 {
    let (mut a, mut b) = (0, 1);
    for _ in 0..n {
        (a, b) = (b, a + b);
    }
    a
}

#[virtine]
pub fn collatz(start: u64) -> Vec<u64> {
    std::iter::successors(Some(start), |&n| match n {
        0 | 1 => None,
        n if n % 2 == 0 => Some(n / 2),
        n => n.checked_mul(3)?.checked_add(1),
    })
    .collect()
}

#[virtine]
pub fn digits_sum(n: u128) -> u32 {
    n.to_string().chars().filter_map(|c| c.to_digit(10)).sum()
}

#[virtine]
pub fn to_base(mut n: u64, base: u32) -> Option<String> {
    if !(2..=36).contains(&base) {
        return None;
    }
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit((n % u64::from(base)) as u32, base)?);
        n /= u64::from(base);
        if n == 0 {
            break;
        }
    }
    Some(digits.into_iter().rev().collect())
}

#[virtine]
pub fn integer_square_root(n: u128) -> u128 {
    if n < 2 {
        return n;
    }
    let mut x = n / 2 + 1;
    loop {
        let y = (x + n / x) / 2;
        if y >= x {
            return x;
        }
        x = y;
    }
}

#[virtine]
pub fn binomial(n: u64, k: u64) -> Option<u64> {
    let k = k.min(n.checked_sub(k)?);
    (0..k).try_fold(1u64, |c, i| c.checked_mul(n - i).map(|c| c / (i + 1)))
}

#[virtine]
pub fn perfect_numbers(limit: u32) -> Vec<u32> {
    (2..limit)
        .filter(|&n| (1..=n / 2).filter(|d| n % d == 0).sum::<u32>() == n)
        .collect()
}

#[virtine]
pub fn saturating_and_wrapping(a: i8, b: i8) -> (i8, i8, Option<i8>, (i8, bool)) {
    (
        a.saturating_add(b),
        a.wrapping_mul(b),
        a.checked_sub(b),
        a.overflowing_add(b),
    )
}

#[virtine]
pub fn bit_tricks(n: u32) -> (u32, u32, u32, bool, u32, u32) {
    (
        n.count_ones(),
        n.leading_zeros(),
        n.trailing_zeros(),
        n.is_power_of_two(),
        n.reverse_bits(),
        n.rotate_left(7),
    )
}

#[virtine]
pub fn big_factorial(n: u32) -> String {
    let mut digits = vec![1u8];
    for factor in 2..=n {
        let mut carry = 0;
        for digit in digits.iter_mut() {
            let product = u32::from(*digit) * factor + carry;
            *digit = (product % 10) as u8;
            carry = product / 10;
        }
        while carry > 0 {
            digits.push((carry % 10) as u8);
            carry /= 10;
        }
    }
    digits.iter().rev().map(|d| (b'0' + d) as char).collect()
}

#[virtine]
pub fn add_decimal(a: &str, b: &str) -> String {
    let digits = |text: &str| text.bytes().rev().map(|b| b - b'0').collect::<Vec<u8>>();
    let (a, b) = (digits(a), digits(b));
    let mut out = String::new();
    let mut carry = 0;
    for i in 0..a.len().max(b.len()) {
        let sum = a.get(i).unwrap_or(&0) + b.get(i).unwrap_or(&0) + carry;
        out.insert(0, char::from(b'0' + sum % 10));
        carry = sum / 10;
    }
    if carry > 0 {
        out.insert(0, '1');
    }
    out
}

#[virtine]
pub fn pythagorean_triples(limit: u32) -> Vec<(u32, u32, u32)> {
    (1..limit)
        .flat_map(|a| (a..limit).flat_map(move |b| (b..limit).map(move |c| (a, b, c))))
        .filter(|(a, b, c)| a * a + b * b == c * c)
        .collect()
}

#[virtine]
pub fn luhn(number: &str) -> bool {
    let digits: Option<Vec<u32>> = number
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(10))
        .collect();
    digits.is_some_and(|digits| {
        digits.len() > 1
            && digits
                .iter()
                .rev()
                .enumerate()
                .map(|(i, &d)| {
                    if i % 2 == 1 {
                        d * 2 - if d > 4 { 9 } else { 0 }
                    } else {
                        d
                    }
                })
                .sum::<u32>()
                % 10
                == 0
    })
}

#[virtine]
pub fn totals_overflow(values: &[u8]) -> Option<u8> {
    values.iter().try_fold(0u8, |sum, &v| sum.checked_add(v))
}

#[virtine]
pub fn chinese_remainder(residues: &[i64], moduli: &[i64]) -> Option<i64> {
    let product: i64 = moduli.iter().product();
    let mut sum = 0;
    for (&residue, &modulus) in residues.iter().zip(moduli) {
        let p = product / modulus;
        let (g, inverse, _) = extended_gcd(p, modulus);
        if g != 1 && g != -1 {
            return None;
        }
        sum += residue * inverse * g * p;
    }
    Some(sum.rem_euclid(product))
}
