#include "base/exactmath.h"

#include <math.h>

/* ln 2 and pi/2 as sums. A whole number below 2^20 times any part but the last is exact. */
static const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
static const double half_pi_1 = 0x1.921fb544p+0, half_pi_2 = 0x1.0b4611a6p-34, half_pi_3 = 0x1.3198a2e037073p-69;

/* x = n ln 2 + r, |r| <= 0.35. exp(r) is its Taylor series up to r^14 (the rest is below 1e-18), times 2^n. */
double tern_exp_f64(double x)
{
	double n = rint(x * 1.4426950408889634);
	double r = (x - n * ln2_high) - n * ln2_low;
	double sum = 1.0;

	for (int k = 14; k > 0; k--)
		sum = sum * r / k + 1.0;
	return ldexp(sum, (int)n);
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)); ln m = 2 artanh t, t = (m-1)/(m+1), |t| < 0.172, by its series. */
double tern_log_f64(double x)
{
	int exponent;
	double m = frexp(x, &exponent);

	if (m < 0.7071067811865476) {
		m *= 2.0;
		exponent--;
	}
	double t = (m - 1.0) / (m + 1.0), t2 = t * t, sum = 0.0;
	for (int k = 23; k > 0; k -= 2)
		sum = sum * t2 + 1.0 / k;
	return (2.0 * t * sum + exponent * ln2_low) + exponent * ln2_high;
}

/* x = k pi/2 + r, |r| <= pi/4; Taylor series up to r^17 and r^18. The quadrant k mod 4 selects sign and series. */
void tern_sincos_f64(double x, double *sine, double *cosine)
{
	double k = rint(x * 0.6366197723675814);
	double r = ((x - k * half_pi_1) - k * half_pi_2) - k * half_pi_3;
	double r2 = r * r, s = 1.0, c = 1.0;

	for (int i = 17; i > 1; i -= 2)
		s = 1.0 - s * r2 / (i * (i - 1));
	for (int i = 18; i > 0; i -= 2)
		c = 1.0 - c * r2 / (i * (i - 1));
	s *= r;
	int quadrant = (int)(k - 4.0 * floor(k / 4.0));
	*sine = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
	*cosine = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
}
