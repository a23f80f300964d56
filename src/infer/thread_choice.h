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
	uint64_t wall_ns, cpu_ns; /* of the clock, and of all threads together */
	size_t n_token;
	double ns_per_token; /* of the last window with n_before threads */
	int n_before;        /* before the trial that is going on; 0: none is */
	/* A trial costs time: after each that was lost the next one is further away. */
	uint64_t pause_ns, until_trial_ns;

	uint64_t wall_start, cpu_start;
};

/* n_first: threads that the first tokens are computed with. */
void tern_thread_choice_init(struct tern_thread_choice *choice, int n_most, int n_first);

/* Threads for a batch of n_token tokens. Around each batch, by the thread that waits for it. */
int tern_thread_choice_start(struct tern_thread_choice *choice, size_t n_token);
void tern_thread_choice_stop(struct tern_thread_choice *choice, size_t n_token);

/* What tern_thread_choice_stop() does, with the times that the batch is to have taken. */
void tern_thread_choice_record(struct tern_thread_choice *choice, size_t n_token, uint64_t wall_ns, uint64_t cpu_ns);

#endif
