/* Elementary functions in double precision that give the same bits on every machine, because they use only plain IEEE
 * operations. libm's results differ between C libraries, and between CPUs with and without fused multiply-add.
 * The relative error is about 1e-15. They take tens of nanoseconds: they are for tables and for what is computed once a
 * head, not for inner loops. */
#ifndef TERN_BASE_EXACTMATH_H
#define TERN_BASE_EXACTMATH_H

/* e^x for |x| < 700. */
double tern_exp_f64(double x);

/* Natural logarithm of a positive finite x. */
double tern_log_f64(double x);

/* Sine and cosine of x radians, |x| < 1e9. The absolute error is below 1e-15 up to |x| = 1.6e6 and below 1e-16 |x| from
 * there on, about the error of rounding x itself. */
void tern_sincos_f64(double x, double *sine, double *cosine);

#endif
