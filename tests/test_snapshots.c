/* Snapshots: wherever a sequence goes back to, its state is that of the tokens that are left; which tokens these are
 * follows from where snapshots are taken and what they may take of memory. The state is made up here: a hash of the
 * tokens. */
#include "api/model.h"
#include "base/memory.h"
#include "infer/sequence.h"
#include "scratch.h"
#include "test.h"
#include "tiny_model.h"

#include <string.h>

enum {
	N_CTX = 400,
	N_BATCH = 32,
	END = 7, /* the token that ends a turn */
	N_STATE = 64
};

static struct tern_model *model;
static bool is_end[END + 1] = {[END] = true};
static const float outputs[N_BATCH * TINY_EMBD];

static void make_state(uint8_t state[N_STATE], const int32_t *ids, size_t n_ids)
{
	uint64_t hash = 1469598103934665603u;

	memset(state, 0, N_STATE);
	for (size_t i = 0; i < n_ids; i++)
		hash = (hash ^ (uint64_t)ids[i]) * 1099511628211u;
	if (n_ids > 0)
		memcpy(state + N_STATE - sizeof hash, &hash, sizeof hash);
}

static void check_state(const struct tern_sequence *s, const char *when)
{
	uint8_t state[N_STATE];

	make_state(state, s->ids, s->n_past);
	CHECK(!memcmp(state, s->state, N_STATE), "%s: not the state of %zu tokens", when, s->n_past);
}

static void begin(struct tern_sequence *s, size_t n_snapshots)
{
	struct tern_error err;

	if (tern_sequence_init(s, &model->transformer, N_CTX, TERN_KV_F16, &err)) {
		printf("%s\n", err.message);
		exit(1);
	}
	s->snapshots.n_state_bytes = N_STATE;
	s->state = tern_alloc(N_STATE, 1);
	tern_sequence_allow_snapshots(s, n_snapshots * N_STATE, is_end, END + 1);
}

static size_t count(const struct tern_snapshots *snapshots)
{
	size_t n = 0;

	for (size_t i = 0; i < snapshots->n_items; i++)
		n += snapshots->items[i].position > 0;
	return n;
}

/* Computes one batch: the state runs ahead of the sequence until the batch is committed. */
static void compute(struct tern_sequence *s, const int32_t *ids, size_t n)
{
	struct tern_token tokens[N_BATCH];
	int32_t all[N_CTX];

	memcpy(all, s->ids, s->n_past * sizeof *all);
	memcpy(all + s->n_past, ids, n * sizeof *all);
	for (size_t i = 0; i < n; i++)
		tokens[i] = (struct tern_token){s, s->n_past + i, ids[i]};
	make_state(s->state, all, s->n_past + n);
	tern_sequence_commit(s, tokens, n, outputs);
}

/* Returns how many batches it took. */
static int feed(struct tern_sequence *s, const int32_t *ids, size_t n_ids)
{
	int n_batches = 0;

	for (size_t done = 0, n; done < n_ids; done += n, n_batches++) {
		n = tern_sequence_step(s, ids + done, n_ids - done, N_BATCH);
		CHECK(n > 0 && n <= N_BATCH && n <= n_ids - done, "a batch of %zu", n);
		compute(s, ids + done, n);
	}
	return n_batches;
}

/* Text of n tokens, no turn ends in it. */
static void fill(int32_t *ids, size_t n, int32_t seed)
{
	for (size_t i = 0; i < n; i++)
		ids[i] = 20 + (int32_t)((i * 7 + (size_t)seed * 13) % 200);
}

/* A conversation: system text, question, the beginning of the answer. */
static void check_conversation(void)
{
	struct tern_sequence s;
	int32_t ids[N_CTX];

	begin(&s, 3);
	fill(ids, N_CTX, 1);
	ids[39] = ids[79] = END;
	CHECK(feed(&s, ids, 85) == 4, "tokens 32, 32, 16, 5");
	check_state(&s, "the prompt");
	for (size_t i = 85; i < 120; i++)
		compute(&s, ids + i, 1); /* an answer */
	tern_sequence_mark(&s);

	/* /regen: the end of the question. */
	CHECK(tern_sequence_go_back_to(&s, ids, 85) == 80, "the end of the last turn: %zu", s.n_past);
	check_state(&s, "regenerated");
	CHECK(count(&s.snapshots) == 1, "the answer that was taken back has a snapshot still");
	CHECK(feed(&s, ids + 80, 5) == 1, "one batch");
	for (size_t i = 85; i < 120; i++)
		compute(&s, ids + i, 1);
	tern_sequence_mark(&s);

	/* Another message, then /undo: the end of the answer. */
	ids[139] = END;
	feed(&s, ids + 120, 25);
	CHECK(tern_sequence_go_back(&s, 120) == 120, "the end of the answer: %zu", s.n_past);
	check_state(&s, "undone");
	CHECK(tern_sequence_go_back(&s, 200) == 120 && tern_sequence_go_back(&s, 120) == 120, "forward is nowhere");
	CHECK(tern_sequence_go_back(&s, 79) == 0, "before all snapshots: %zu", s.n_past);
	check_state(&s, "the beginning");
	tern_sequence_clear(&s);
}

/* Texts with a beginning in common: the second is read from the last turn that they share, or whole, the third from
 * near where they part. */
static void check_shared(size_t n_shared, size_t turn, size_t expected)
{
	struct tern_sequence s;
	int32_t ids[N_CTX];
	size_t n_reached[4];

	begin(&s, 2);
	for (int32_t i = 0; i < 4; i++) {
		fill(ids, N_CTX, i);
		fill(ids, n_shared, 99);
		if (turn)
			ids[turn - 1] = END;
		n_reached[i] = tern_sequence_go_back_to(&s, ids, 300);
		check_state(&s, "the next text");
		feed(&s, ids + n_reached[i], 300 - n_reached[i]);
		CHECK(s.n_past == 300, "%zu tokens", s.n_past);
		check_state(&s, "all of the text");
	}
	CHECK(n_reached[1] == turn, "%zu tokens of the last turn kept, expected %zu", n_reached[1], turn);
	CHECK(n_reached[2] == expected && n_reached[3] == expected, "%zu shared: %zu and %zu kept, expected %zu",
	      n_shared, n_reached[2], n_reached[3], expected);
	tern_sequence_clear(&s);
}

/* With no memory for snapshots everything still works, from the beginning. */
static void check_none(void)
{
	struct tern_sequence s;
	int32_t ids[N_CTX];

	begin(&s, 0);
	fill(ids, N_CTX, 3);
	ids[49] = END;
	CHECK(feed(&s, ids, 100) == 4, "no batch is cut short");
	tern_sequence_mark(&s);
	CHECK(s.snapshots.n_items == 0 && tern_sequence_go_back(&s, 99) == 0, "went back to %zu", s.n_past);
	check_state(&s, "without snapshots");
	tern_sequence_clear(&s);
}

/* A batch that is stopped leaves the state anywhere. */
static void check_stop(void)
{
	struct tern_sequence s;
	int32_t ids[N_CTX];

	begin(&s, 2);
	fill(ids, N_CTX, 4);
	ids[29] = END;
	feed(&s, ids, 40);
	memset(s.state, 0xee, N_STATE);
	tern_sequence_recover(&s);
	CHECK(s.n_past == 30, "recovered at %zu", s.n_past);
	check_state(&s, "recovered");
	tern_sequence_clear(&s);
}

/* Anything, in any order. */
static void check_random(void)
{
	struct tern_sequence s;
	int32_t ids[N_CTX];

	for (size_t n_snapshots = 1; n_snapshots < 6; n_snapshots++) {
		begin(&s, n_snapshots);
		for (int i = 0; i < 2000; i++) {
			size_t n = test_random() % 90, n_before = s.n_past, n_keep = test_random() % (N_CTX + 1),
			       n_kept;
			for (size_t k = 0; k < n; k++)
				ids[k] = test_random() % 32 ? (int32_t)(test_random() % 3 + 10) : END;
			if (n > 0 && n <= N_CTX - s.n_past) {
				feed(&s, ids, n);
			} else if (i % 3 == 0) {
				n_kept = tern_sequence_go_back_to(&s, ids, n);
				CHECK(n_kept == s.n_past && !memcmp(s.ids, ids, n_kept * sizeof *ids), "other tokens");
			} else {
				n_kept = tern_sequence_go_back(&s, n_keep);
				CHECK(n_kept == s.n_past && (n_kept <= n_keep || n_kept == n_before), "%zu kept",
				      n_kept);
			}
			if (i % 5 == 0)
				tern_sequence_mark(&s);
			check_state(&s, "at random");
			CHECK(s.snapshots.n_items <= n_snapshots, "%zu snapshots", s.snapshots.n_items);
		}
		tern_sequence_clear(&s);
	}
}

/* The one that was not used for longest leaves. */
static void check_oldest(void)
{
	struct tern_snapshots snapshots = {.n_state_bytes = 1, .max_bytes = 3};
	uint8_t state = 0;

	for (size_t position = 10; position <= 30; position += 10) {
		state = (uint8_t)position;
		tern_snapshots_take(&snapshots, position, &state);
	}
	CHECK(tern_snapshots_restore(&snapshots, 35, &state) == 30 && state == 30, "the last");
	tern_snapshots_take(&snapshots, 30, &state); /* is there */
	tern_snapshots_take(&snapshots, 40, &state);
	CHECK(snapshots.n_items == 3 && tern_snapshots_nearest(&snapshots, 19) == 0, "the first has not left");
	CHECK(tern_snapshots_nearest(&snapshots, 29) == 20 && tern_snapshots_nearest(&snapshots, 99) == 40, "others");
	CHECK(tern_snapshots_restore(&snapshots, 19, &state) == 0 && state == 0, "the state of zeros");
	CHECK(count(&snapshots) == 0 && snapshots.n_items == 3, "later ones are still there");
	tern_snapshots_free(&snapshots);
}

int main(void)
{
	struct tern_error err;

	scratch_begin();
	if (!tiny_model_write(scratch_path("tiny.gguf"), NULL, &err) ||
	    tern_model_open(&model, scratch_path("tiny.gguf"), NULL, &err)) {
		printf("%s\n", err.message);
		return 1;
	}
	check_oldest();
	check_conversation();
	check_shared(200, 150, 188); /* a sixteenth less */
	check_shared(200, 0, 188);
	check_shared(151, 150, 150); /* the turn ends nearer to it */
	check_shared(10, 0, 0);      /* not worth it */
	check_none();
	check_stop();
	check_random();
	tern_model_close(model);
	scratch_end();
	return test_summary();
}
