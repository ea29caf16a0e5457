//! The methods of floats that std has and core lacks, as a trait in the prelude.
//!
//! They use libm, a port of musl's. The host uses glibc. If the two round differently, the last bit of a transcendental
//! function's result differs. Square roots, rounding, remainders and `mul_add` are exact on both.

macro_rules! float {
    ($trait:ident for $float:ident:
        same { $($same:ident = $by:path;)* }
        binary { $($binary:ident($other:ident) = $by_two:path;)* }
        fma $fma:path,
        sincos $sincos:path,
    ) => {
        /// The methods that std adds to this float.
        #[expect(missing_docs, reason = "std's documentation has them")]
        pub trait $trait: Sized {
            $(#[must_use] fn $same(self) -> Self;)*
            $(#[must_use] fn $binary(self, $other: Self) -> Self;)*
            #[must_use] fn fract(self) -> Self;
            #[must_use] fn mul_add(self, factor: Self, summand: Self) -> Self;
            #[must_use] fn div_euclid(self, divisor: Self) -> Self;
            #[must_use] fn rem_euclid(self, divisor: Self) -> Self;
            #[must_use] fn powi(self, exponent: i32) -> Self;
            #[must_use] fn log(self, base: Self) -> Self;
            #[must_use] fn sin_cos(self) -> (Self, Self);
        }

        impl $trait for $float {
            $(#[inline] fn $same(self) -> Self { $by(self) })*
            $(#[inline] fn $binary(self, $other: Self) -> Self { $by_two(self, $other) })*

            #[inline]
            fn fract(self) -> Self {
                self - $trait::trunc(self)
            }

            #[inline]
            fn mul_add(self, factor: Self, summand: Self) -> Self {
                $fma(self, factor, summand)
            }

            #[inline]
            fn div_euclid(self, divisor: Self) -> Self {
                let quotient = $trait::trunc(self / divisor);
                match self % divisor < 0.0 {
                    true if divisor > 0.0 => quotient - 1.0,
                    true => quotient + 1.0,
                    false => quotient,
                }
            }

            #[inline]
            fn rem_euclid(self, divisor: Self) -> Self {
                let remainder = self % divisor;
                match remainder < 0.0 {
                    true => remainder + divisor.abs(),
                    false => remainder,
                }
            }

            /// Multiplies in the same order as the compiler's own runtime, so that rounding is the same.
            fn powi(self, exponent: i32) -> Self {
                let (mut square, mut product) = (self, 1.0);
                let mut left = exponent.unsigned_abs();
                loop {
                    if left & 1 == 1 {
                        product *= square;
                    }
                    left >>= 1;
                    if left == 0 {
                        break;
                    }
                    square *= square;
                }
                if exponent < 0 { 1.0 / product } else { product }
            }

            #[inline]
            fn log(self, base: Self) -> Self {
                $trait::ln(self) / $trait::ln(base)
            }

            #[inline]
            fn sin_cos(self) -> (Self, Self) {
                $sincos(self)
            }
        }
    };
}

float! {
    F64 for f64:
    same {
        floor = libm::floor; ceil = libm::ceil; round = libm::round; trunc = libm::trunc;
        round_ties_even = libm::rint; sqrt = libm::sqrt; cbrt = libm::cbrt;
        exp = libm::exp; exp2 = libm::exp2; exp_m1 = libm::expm1;
        ln = libm::log; ln_1p = libm::log1p; log2 = libm::log2; log10 = libm::log10;
        sin = libm::sin; cos = libm::cos; tan = libm::tan;
        asin = libm::asin; acos = libm::acos; atan = libm::atan;
        sinh = libm::sinh; cosh = libm::cosh; tanh = libm::tanh;
        asinh = libm::asinh; acosh = libm::acosh; atanh = libm::atanh;
    }
    binary {
        powf(exponent) = libm::pow; hypot(other) = libm::hypot; atan2(other) = libm::atan2;
        abs_sub(other) = libm::fdim;
    }
    fma libm::fma,
    sincos libm::sincos,
}

float! {
    F32 for f32:
    same {
        floor = libm::floorf; ceil = libm::ceilf; round = libm::roundf; trunc = libm::truncf;
        round_ties_even = libm::rintf; sqrt = libm::sqrtf; cbrt = libm::cbrtf;
        exp = libm::expf; exp2 = libm::exp2f; exp_m1 = libm::expm1f;
        ln = libm::logf; ln_1p = libm::log1pf; log2 = libm::log2f; log10 = libm::log10f;
        sin = libm::sinf; cos = libm::cosf; tan = libm::tanf;
        asin = libm::asinf; acos = libm::acosf; atan = libm::atanf;
        sinh = libm::sinhf; cosh = libm::coshf; tanh = libm::tanhf;
        asinh = libm::asinhf; acosh = libm::acoshf; atanh = libm::atanhf;
    }
    binary {
        powf(exponent) = libm::powf; hypot(other) = libm::hypotf; atan2(other) = libm::atan2f;
        abs_sub(other) = libm::fdimf;
    }
    fma libm::fmaf,
    sincos libm::sincosf,
}
