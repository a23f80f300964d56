/* The machine that measurements are made on. */
#ifndef TERN_CLI_BENCH_MACHINE_H
#define TERN_CLI_BENCH_MACHINE_H

#include "api/inspect.h"
#include "console/text.h"

enum {
	BENCH_CPU_SIZE = 128
};

/* "Intel(R) Core(TM) Ultra 7 155H"; the architecture if the system gives no name. */
const char *bench_cpu_name(char out[BENCH_CPU_SIZE]);
/* Appends lines about CPU, memory, kernels and limits of n_threads threads. */
void bench_describe_machine(struct text *to, int n_threads, const struct tern_meter *meter);
/* Warns if the machine runs on battery. */
void bench_warn_of_battery(void);

#endif
