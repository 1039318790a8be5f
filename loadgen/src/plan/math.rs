//! Logarithm and exponential out of `+ - * /` alone, so that a plan has the same bytes everywhere.
//!
//! The functions of the platform's libm differ between machines in their last bits; the four
//! operations and the square root do not (IEEE 754). Exact to about 15 digits, which is more than
//! any draw needs. Deliberately absent: special values; callers pass finite numbers above zero.

/// Terms of the series for the logarithm; the next one would be below 1e-17.
const LN_TERMS: u32 = 11;

/// Terms of the series for the exponential; the next one would be below 1e-18.
const EXP_TERMS: u32 = 15;

/// The natural logarithm of a normal number above zero.
pub(crate) fn ln(x: f64) -> f64 {
    let (mantissa, exponent) = split(x);
    let t = (mantissa - 1.0) / (mantissa + 1.0);
    let square = t * t;
    let mut sum = 0.0;
    for term in (0..LN_TERMS).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    2.0 * t * sum + f64::from(exponent) * std::f64::consts::LN_2
}

/// `e` to the power of `x`, for `x` between -700 and 700.
pub(crate) fn exp(x: f64) -> f64 {
    let doublings = (x / std::f64::consts::LN_2).round();
    let rest = x - doublings * std::f64::consts::LN_2;
    let mut sum = 1.0;
    for term in (1..=EXP_TERMS).rev() {
        sum = 1.0 + sum * rest / f64::from(term);
    }
    sum * power_of_two(doublings)
}

/// `base` to the power of `exponent`, for a base above zero.
pub(crate) fn pow(base: f64, exponent: f64) -> f64 {
    exp(exponent * ln(base))
}

/// A number from 0 up to, not including, 1, out of 53 random bits.
pub(crate) fn unit(bits: u64) -> f64 {
    const STEP: f64 = 1.0 / 9_007_199_254_740_992.0; // 2^-53
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a float exactly")]
    let whole = (bits >> 11) as f64;
    whole * STEP
}

/// An exponential draw of mean 1 out of random bits.
pub(crate) fn exponential(bits: u64) -> f64 {
    -ln(1.0 - unit(bits))
}

/// A number from 0 up to, not including, `bound`, out of random bits, without a division.
pub(crate) fn below(bits: u64, bound: u32) -> u32 {
    let scaled = (u128::from(bits) * u128::from(bound)) >> 64;
    u32::try_from(scaled).expect("a fraction of a u32 is a u32")
}

/// Whole nanoseconds of a count that is known not to be negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded and clamped; a float cast saturates"
)]
pub(crate) fn nanos(value: f64) -> u64 {
    value.round().max(0.0) as u64
}

/// The float nearest to a count.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts stay far below 2^53, and nearest is what is wanted"
)]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Mantissa between the square roots of 1/2 and 2, and the power of two that goes with it.
fn split(x: f64) -> (f64, i32) {
    const MANTISSA: u64 = (1 << 52) - 1;
    let bits = x.to_bits();
    let exponent = i32::try_from(bits >> 52 & 0x7ff).expect("11 bits") - 1_023;
    let mantissa = f64::from_bits(bits & MANTISSA | 1_023 << 52);
    if mantissa > std::f64::consts::SQRT_2 {
        (mantissa / 2.0, exponent + 1)
    } else {
        (mantissa, exponent)
    }
}

/// 2 to a whole power between -1022 and 1023.
fn power_of_two(power: f64) -> f64 {
    let biased = nanos(power.clamp(-1_022.0, 1_023.0) + 1_023.0);
    f64::from_bits(biased << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_agrees_with_the_platform() {
        for x in [
            1e-30, 1e-9, 0.1, 0.5, 0.707, 1.0, 1.5, 2.0, 10.0, 19_000.0, 1e30,
        ] {
            let error = (ln(x) - x.ln()).abs();
            assert!(
                error <= 1e-14 * x.ln().abs().max(1.0),
                "ln({x}) is off by {error:e}"
            );
        }
    }

    #[test]
    fn power_agrees_with_the_platform() {
        for base in [1.0, 2.0, 3.0, 17.0, 1_000.0] {
            for exponent in [-10.0, -1.1, -0.5, 0.3, 1.0, 9.9] {
                let (ours, theirs) = (pow(base, exponent), f64::powf(base, exponent));
                let error = (ours / theirs - 1.0).abs();
                assert!(error < 1e-13, "{base}^{exponent} is off by {error:e}");
            }
        }
    }

    #[test]
    fn bounded_draws_reach_both_ends_and_no_further() {
        assert_eq!(below(0, 7), 0);
        assert_eq!(below(u64::MAX, 7), 6);
        assert_eq!(below(u64::MAX, 1), 0);
        assert!(unit(u64::MAX) < 1.0);
        assert!(exponential(u64::MAX).is_finite());
    }
}
