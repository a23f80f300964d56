/* Chooses how many threads compute the next tokens. All of them, unless a token's steps are so short that sharing them
 * costs more than it saves, or the system gives the threads less than they ask for, because another program keeps a
 * core busy: then every step would wait for the thread that was put aside, and fewer threads are faster. Results are
 * the same bits for any number. */
#ifndef TERN_INFER_THREAD_CHOICE_H
#define TERN_INFER_THREAD_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tern_thread_choice {
	int n_most; /* threads there are */
	int n_now;  /* that are used */

	/* The window of time that is being measured, with n_now threads. */
	size_t batch_size, n_batch; /* tokens of a batch; batches */
	uint64_t wall_ns, cpu_ns;   /* of the clock, and of all threads together */
	uint64_t other_ns;          /* of the clock, for batches of other sizes since the last of this one */

	double ns_per_batch; /* of the last window with n_before threads */
	int n_before;        /* before the trial that is going on; 0: none is */
	int step;            /* threads that the next trial upwards adds: more after each that was won */
	/* A trial costs time: after each that was lost the next one is further away. */
	uint64_t pause_ns, until_trial_ns;
};

/* n_first: threads that the first tokens are computed with. */
void tern_thread_choice_init(struct tern_thread_choice *choice, int n_most, int n_first);

/* Threads for a batch of n_token tokens. */
int tern_thread_choice_threads(const struct tern_thread_choice *choice, size_t n_token);

/* Whether the times of such a batch are asked for. */
bool tern_thread_choice_measures(const struct tern_thread_choice *choice, size_t n_token);

/* Takes notice of the times that such a batch took: of the clock, and processor time of all threads used. */
void tern_thread_choice_record(struct tern_thread_choice *choice, size_t n_token, uint64_t wall_ns, uint64_t cpu_ns);

#endif
