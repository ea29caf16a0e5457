//! Matrices.

use std::fmt;
use std::ops::{Add, Index, IndexMut, Mul, Neg, Sub};

use serde::{Deserialize, Serialize};
use wasp_core::virtine;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Matrix<T> {
    rows: usize,
    columns: usize,
    cells: Vec<T>,
}

impl<T: Copy + Default> Matrix<T> {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self {
            rows,
            columns,
            cells: vec![T::default(); rows * columns],
        }
    }

    pub fn from_rows<const R: usize, const C: usize>(rows: [[T; C]; R]) -> Self {
        Self {
            rows: R,
            columns: C,
            cells: rows.concat(),
        }
    }

    fn transposed(&self) -> Self {
        let mut out = Self::new(self.columns, self.rows);
        for r in 0..self.rows {
            for c in 0..self.columns {
                out[(c, r)] = self[(r, c)];
            }
        }
        out
    }
}

impl<T> Index<(usize, usize)> for Matrix<T> {
    type Output = T;

    fn index(&self, (row, column): (usize, usize)) -> &T {
        assert!(
            row < self.rows && column < self.columns,
            "({row}, {column}) is outside"
        );
        &self.cells[row * self.columns + column]
    }
}

impl<T> IndexMut<(usize, usize)> for Matrix<T> {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut T {
        &mut self.cells[row * self.columns + column]
    }
}

impl<'a, T> Mul for &'a Matrix<T>
where
    T: Copy + Default + Add<Output = T> + Mul<Output = T>,
{
    type Output = Matrix<T>;

    fn mul(self, other: &'a Matrix<T>) -> Matrix<T> {
        let mut out = Matrix::new(self.rows, other.columns);
        for r in 0..self.rows {
            for c in 0..other.columns {
                out[(r, c)] = (0..self.columns)
                    .fold(T::default(), |sum, k| sum + self[(r, k)] * other[(k, c)]);
            }
        }
        out
    }
}

impl<T: Add<Output = T>> Add for Matrix<T> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let cells = self
            .cells
            .into_iter()
            .zip(other.cells)
            .map(|(a, b)| a + b)
            .collect();
        Self { cells, ..self }
    }
}

impl<T: Neg<Output = T>> Neg for Matrix<T> {
    type Output = Matrix<T>;

    fn neg(self) -> Self::Output {
        Matrix {
            cells: self.cells.into_iter().map(Neg::neg).collect(),
            ..self
        }
    }
}

impl<T: Sub<Output = T> + Clone> Sub<&T> for Matrix<T> {
    type Output = Matrix<T>;

    fn sub(mut self, other: &T) -> Matrix<T> {
        self.cells = self
            .cells
            .into_iter()
            .map(|cell| cell - other.clone())
            .collect();
        self
    }
}

impl<T: fmt::Display> fmt::Display for Matrix<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.cells.chunks(self.columns.max(1)) {
            let texts: Vec<String> = row.iter().map(T::to_string).collect();
            writeln!(f, "[{}]", texts.join(", "))?;
        }
        Ok(())
    }
}

#[virtine]
pub fn multiply(a: Matrix<i64>, b: Matrix<i64>) -> Matrix<i64> {
    &a * &b
}

#[virtine]
pub fn add_and_negate(a: Matrix<f64>, b: Matrix<f64>) -> Matrix<f64> {
    -(a + b)
}

#[virtine]
pub fn transpose(a: &Matrix<i64>) -> Matrix<i64> {
    a.transposed()
}

#[virtine]
pub fn show(a: Matrix<i64>) -> String {
    (a - &1).to_string()
}

#[virtine]
pub fn determinant(m: Vec<Vec<f64>>) -> f64 {
    let mut m = m;
    let n = m.len();
    let mut det = 1.0;
    for i in 0..n {
        let pivot = (i..n)
            .max_by(|&a, &b| m[a][i].abs().total_cmp(&m[b][i].abs()))
            .unwrap();
        if m[pivot][i] == 0.0 {
            return 0.0;
        }
        if pivot != i {
            m.swap(pivot, i);
            det = -det;
        }
        det *= m[i][i];
        for r in i + 1..n {
            let factor = m[r][i] / m[i][i];
            for c in i..n {
                let above = m[i][c];
                m[r][c] -= factor * above;
            }
        }
    }
    det
}

#[virtine]
pub fn solve(mut a: Vec<Vec<f64>>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        let pivot = (i..n).find(|&r| a[r][i].abs() > 1e-12)?;
        a.swap(i, pivot);
        b.swap(i, pivot);
        for r in 0..n {
            if r != i {
                let factor = a[r][i] / a[i][i];
                for c in 0..n {
                    a[r][c] -= factor * a[i][c];
                }
                b[r] -= factor * b[i];
            }
        }
    }
    Some((0..n).map(|i| b[i] / a[i][i]).collect())
}

#[virtine]
pub fn spiral(grid: Vec<Vec<u8>>) -> Vec<u8> {
    let mut grid = grid;
    let mut out = vec![];
    while !grid.is_empty() {
        out.append(&mut grid.remove(0));
        let width = grid.first().map_or(0, |row| row.len());
        grid = (0..width)
            .rev()
            .map(|c| grid.iter().map(|row| row[c]).collect())
            .collect();
    }
    out
}

#[virtine]
pub fn rotate_in_place(grid: &mut [[i32; 4]; 4]) {
    for i in 0..4 {
        for j in i + 1..4 {
            let t = grid[i][j];
            grid[i][j] = grid[j][i];
            grid[j][i] = t;
        }
        grid[i].reverse();
    }
}

#[virtine]
pub fn pascal(n: usize) -> Vec<Vec<u64>> {
    let mut rows: Vec<Vec<u64>> = vec![vec![1]];
    for i in 1..n {
        let last = &rows[i - 1];
        let middle = last.windows(2).map(|pair| pair.iter().sum());
        rows.push(std::iter::once(1).chain(middle).chain([1]).collect());
    }
    rows
}

#[virtine]
pub fn fibonacci_by_matrix(n: u32) -> u64 {
    let mut result = Matrix::from_rows([[1u64, 0], [0, 1]]);
    let mut base = Matrix::from_rows([[1, 1], [1, 0]]);
    let mut n = n;
    while n > 0 {
        if n & 1 == 1 {
            result = &result * &base;
        }
        base = &base * &base;
        n >>= 1;
    }
    result[(0, 1)]
}

#[virtine]
pub fn saddle_points(grid: &[Vec<u32>]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (r, row) in grid.iter().enumerate() {
        for (c, cell) in row.iter().enumerate() {
            if row.iter().all(|x| x <= cell) && grid.iter().all(|other| other[c] >= *cell) {
                found.push((r, c));
            }
        }
    }
    found
}

#[virtine]
pub fn sudoku(cells: [[u8; 9]; 9]) -> Option<[[u8; 9]; 9]> {
    fn fits(b: &[[u8; 9]; 9], r: usize, c: usize, n: u8) -> bool {
        (0..9).all(|i| b[r][i] != n && b[i][c] != n && b[r / 3 * 3 + i / 3][c / 3 * 3 + i % 3] != n)
    }
    fn fill(b: &mut [[u8; 9]; 9], from: usize) -> bool {
        let Some(at) = (from..81).find(|&i| b[i / 9][i % 9] == 0) else {
            return true;
        };
        for n in 1..=9 {
            if fits(b, at / 9, at % 9, n) {
                b[at / 9][at % 9] = n;
                if fill(b, at + 1) {
                    return true;
                }
                b[at / 9][at % 9] = 0;
            }
        }
        false
    }
    let mut board = cells;
    fill(&mut board, 0).then_some(board)
}
