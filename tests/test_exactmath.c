/* base/exactmath.h compared with libm, which may differ in the last bits. */
#include "base/exactmath.h"
#include "test.h"

#include <math.h>

int main(void)
{
	double exp_error = 0, log_error = 0, sincos_error = 0;

	for (int i = -100000; i <= 100000; i++) {
		double x = i * 0.00699;
		exp_error = fmax(exp_error, fabs(tern_exp_f64(x) / exp(x) - 1));
		double y = exp(x / 3);
		log_error = fmax(log_error, fabs(tern_log_f64(y) - log(y)) / fmax(fabs(log(y)), 1e-3));
		double z = i * 1.37, s, c;
		tern_sincos_f64(z, &s, &c);
		sincos_error = fmax(sincos_error, fabs(s - sin(z)) + fabs(c - cos(z)));
	}
	CHECK(exp_error < 2e-15, "%g", exp_error);
	CHECK(log_error < 2e-15, "%g", log_error);
	CHECK(sincos_error < 2e-15, "%g", sincos_error);
	return test_summary();
}
