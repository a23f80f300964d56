/* Elementary functions in double precision whose results are the same on every machine, which libm's are not (they
 * differ between C libraries, and between CPUs with and without fused multiply-add). Plain IEEE operations only.
 * Good to about 1e-15 relative; used for tables, not in inner loops. */
#ifndef TERN_BASE_EXACTMATH_H
#define TERN_BASE_EXACTMATH_H

/* e^x for |x| < 700. */
double tern_exp_f64(double x);

/* Natural logarithm of a positive finite x. */
double tern_log_f64(double x);

/* Sine and cosine of x radians, |x| < 1e9. The absolute error is below 1e-15 up to |x| = 1.6e6 and below 1e-16 |x| from
 * there on, about what rounding x has already cost. */
void tern_sincos_f64(double x, double *sine, double *cosine);

#endif
