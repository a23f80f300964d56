/* How the work is shared: gate and up of an expert are divided by rows into chunks of about equal work, however many
 * tokens an expert has. Down is divided by rows alone: a chunk is the same rows of all experts, one after the other, so
 * that what they add to a token comes in a fixed order. */
#include "infer/experts.h"

#include "base/memory.h"
#include "base/sizes.h"
#include "infer/linear.h"
#include "infer/prefetch.h"
#include "infer/row_chunks.h"
#include "model/layout.h"

enum {
	MIN_CHUNK_PANELS = 4, /* kernels read so many panels at a time */
	CHUNKS_PER_THREAD = 8,
	MIN_READ = 64 * 1024, /* bytes of an expert's matrix: a stream of less is over before it is fast */
};

struct experts_task {
	struct tern_engine *engine;
	const struct tern_expert_weights *weights;
	size_t down_panels; /* of a chunk */
};

/* Panels of a chunk whose product with n_token tokens is about most_work: half of all, a quarter, and so on. */
static size_t panels_of_work(size_t n_panel, size_t n_token, size_t most_work)
{
	size_t n = TERN_MAX_CHUNK_PANELS;

	while (n > MIN_CHUNK_PANELS && (n / 2 >= n_panel || n * n_token > most_work))
		n /= 2;
	return n;
}

/* Panels of a chunk of down for few tokens: as many of each expert as are read fast, but no more than a thread's share.
 * A thread that is alone reads whole matrices. */
static size_t reading_panels(size_t n_panel, size_t panel_bytes, size_t n_thread)
{
	size_t share = tern_divide_up(n_panel, n_thread), least = tern_divide_up(MIN_READ, panel_bytes);

	return n_thread > 1 ? tern_smaller(share, tern_larger(share / CHUNKS_PER_THREAD, least)) : share;
}

/* Divides gate and up, and chooses the chunks of down. */
static void divide(struct experts_task *task)
{
	const struct tern_engine *engine = task->engine;
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_expert_scratch *s = engine->experts;
	size_t n_slot = s->uses[s->n_use].first_slot, n_chunk = 0;
	size_t n_thread = (size_t)tern_pool_n_used(engine->pool), n_share = n_thread * CHUNKS_PER_THREAD;
	size_t n_panel = tern_panel_count(h->n_ff_expert), n_down_panel = tern_panel_count(h->n_embd);

	for (size_t i = 0; i < s->n_use; i++) {
		struct tern_expert_use *use = &s->uses[i];
		use->chunk_panels = panels_of_work(n_panel, use->n_slot, 2 * n_slot * n_panel / n_share);
		use->first_chunk = n_chunk;
		n_chunk += 2 * tern_divide_up(n_panel, use->chunk_panels); /* gate's, then up's */
	}
	s->uses[s->n_use].first_chunk = n_chunk;
	task->down_panels =
	        engine->n_token <= TERN_READING_TOKENS
	                ? reading_panels(n_down_panel, tern_linear_panel_bytes(&task->weights->down), n_thread)
	                : panels_of_work(n_down_panel, n_slot, n_slot * n_down_panel / n_share);
}

/* Quantizes a token's vector once, for all slots that it has. */
static void quantize_token(void *context, size_t token, int worker)
{
	const struct experts_task *task = context;
	const struct tern_engine *engine = task->engine;
	const struct tern_hparams *h = &engine->transformer->hparams;
	const uint32_t *slots = engine->experts->slots + token * h->n_expert_used;
	struct tern_quantized *input = &engine->experts->input;

	tern_quantize_vector(engine, input, slots[0], &task->weights->gate, engine->normed + token * h->n_embd, NULL,
	                     worker);
	for (size_t k = 1; k < h->n_expert_used; k++)
		tern_quantized_copy(engine, input, slots[k], slots[0], h->n_embd);
}

/* The use that a chunk of gate and up belongs to. */
static const struct tern_expert_use *use_of_chunk(const struct tern_expert_scratch *s, size_t chunk)
{
	size_t low = 0, high = s->n_use; /* uses[low].first_chunk <= chunk < uses[high].first_chunk */

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (s->uses[middle].first_chunk <= chunk)
			low = middle;
		else
			high = middle;
	}
	return &s->uses[low];
}

/* A chunk of gate and up: some rows of one of an expert's two matrices. */
struct rows {
	const struct tern_expert_use *use;
	bool is_up;
	struct tern_linear linear; /* of the expert */
	size_t first_row, n_row;
};

static struct rows rows_of_chunk(const struct experts_task *task, size_t chunk)
{
	const struct tern_expert_scratch *s = task->engine->experts;
	const struct tern_expert_use *use = use_of_chunk(s, chunk);
	size_t n_half = (use[1].first_chunk - use->first_chunk) / 2, index = chunk - use->first_chunk;
	size_t n_row = use->chunk_panels * TERN_PANEL_ROWS;
	struct rows rows = {.use = use, .is_up = index >= n_half, .first_row = index % n_half * n_row};

	rows.linear = tern_expert_linear(rows.is_up ? &task->weights->up : &task->weights->gate,
	                                 task->engine->transformer->hparams.n_expert, use->index);
	rows.n_row = tern_smaller(rows.linear.n_row - rows.first_row, n_row);
	return rows;
}

static const uint8_t *panels_of(const struct tern_linear *linear, size_t first_row)
{
	return linear->panels + first_row / TERN_PANEL_ROWS * tern_linear_panel_bytes(linear);
}

/* Some rows of an expert times its slots. Of one slot, streams are as long as the rows allow; of several, kernels read
 * panels that follow each other. next: the panels that the worker reads after these. */
static void project_rows(const struct tern_engine *engine, const struct tern_projection *projection,
                         const struct tern_expert_use *use, size_t first_row, size_t n_row, const uint8_t *next,
                         int worker)
{
	size_t n_panel = tern_panel_count(n_row), n_stream = engine->streaming.n_stream;
	size_t n_strip = use->n_slot == 1 && n_panel >= n_stream ? n_stream : 1, n = n_panel / n_strip;
	struct tern_panel_range strips = {first_row / TERN_PANEL_ROWS, n, n_strip, n};
	struct tern_panel_range behind = {strips.first + n * n_strip, n_panel % n_strip, 1, 0};

	tern_project_panels(engine, projection, strips, use->first_slot, use->n_slot, next, worker);
	tern_project_panels(engine, projection, behind, use->first_slot, use->n_slot, next, worker);
}

static void gate_up_chunk(void *context, size_t chunk, int worker)
{
	const struct experts_task *task = context;
	const struct tern_expert_scratch *s = task->engine->experts;
	struct rows rows = rows_of_chunk(task, chunk), next = rows;
	struct tern_projection projection = {
	        .linear = &rows.linear, .input = &s->input, .out = rows.is_up ? s->up : s->gate};

	if (chunk + 1 < s->uses[s->n_use].first_chunk)
		next = rows_of_chunk(task, chunk + 1);
	project_rows(task->engine, &projection, rows.use, rows.first_row, rows.n_row,
	             panels_of(&next.linear, next.first_row), worker);
}

/* gate = f(gate) * up, quantized. */
static void activate_slot(void *context, size_t slot, int worker)
{
	const struct experts_task *task = context;
	const struct tern_engine *engine = task->engine;
	struct tern_expert_scratch *s = engine->experts;
	size_t n_ff = engine->transformer->hparams.n_ff_expert;
	float *gate = s->gate + slot * n_ff;

	engine->kernels->clamped_silu_mul(gate, s->up + slot * n_ff, task->weights->limit, n_ff);
	tern_quantize_vector(engine, &s->hidden, slot, &task->weights->down, gate, NULL, worker);
}

static void down_chunk(void *context, size_t chunk, int worker)
{
	const struct experts_task *task = context;
	const struct tern_hparams *h = &task->engine->transformer->hparams;
	const struct tern_expert_scratch *s = task->engine->experts;
	const struct tern_linear *down = &task->weights->down;
	size_t n_row = task->down_panels * TERN_PANEL_ROWS, first = chunk * n_row,
	       end = tern_smaller(first + n_row, h->n_embd);
	struct tern_linear linear = tern_expert_linear(down, h->n_expert, s->uses[0].index), next;

	for (size_t i = 0; i < s->n_use; i++, linear = next) {
		bool is_last = i + 1 == s->n_use;
		struct tern_projection projection = {.linear = &linear,
		                                     .input = &s->hidden,
		                                     .out = task->engine->x,
		                                     .tokens = s->slot_tokens,
		                                     .weights = s->slot_weights};
		next = tern_expert_linear(down, h->n_expert, s->uses[is_last ? 0 : i + 1].index);
		project_rows(task->engine, &projection, &s->uses[i], first, end - first,
		             panels_of(&next, is_last && end < h->n_embd ? end : first), worker);
	}
}

/* While threads wait for the end of gate and up: what each begins down with. */
static void prefetch_down(struct experts_task *task, size_t n_chunk)
{
	struct tern_engine *engine = task->engine;
	const struct tern_linear *down = &task->weights->down;
	struct tern_linear linear =
	        tern_expert_linear(down, engine->transformer->hparams.n_expert, engine->experts->uses[0].index);
	size_t n_bytes = task->down_panels * tern_linear_panel_bytes(down);

	if (engine->n_token > TERN_READING_TOKENS || tern_pool_n_used(engine->pool) == 1)
		return;
	for (int w = 0; w < tern_pool_n_used(engine->pool); w++)
		tern_prefetch_range(engine, w,
		                    linear.panels + tern_pool_first_chunk(engine->pool, w, n_chunk) * n_bytes, n_bytes);
}

/* Of n_panel panels of each expert. Only reads for one token are tuned, which always read n_expert_used experts;
 * several tokens use any number of them, and read with the choice for one token. */
static void start_read(struct tern_engine *engine, const struct tern_linear *experts, size_t n_panel)
{
	size_t panel_bytes = tern_linear_panel_bytes(experts);
	size_t n_used = engine->transformer->hparams.n_expert_used;
	struct tern_read_extent read = {experts->panels, panel_bytes, n_used * n_panel * panel_bytes};

	tern_engine_start_read(engine, read, engine->n_token, tern_linear_dot(engine, experts), engine->n_token == 1);
}

void tern_experts(struct tern_engine *engine, const struct tern_expert_weights *weights)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_expert_scratch *s = engine->experts;
	struct experts_task task = {.engine = engine, .weights = weights};

	if (!tern_engine_may_go_on(engine))
		return;
	divide(&task);
	size_t n_slot = s->uses[s->n_use].first_slot, work = n_slot * h->n_ff_expert * h->n_embd;
	size_t n_down_chunk = tern_divide_up(h->n_embd, task.down_panels * TERN_PANEL_ROWS);

	tern_engine_run(engine, quantize_token, &task, engine->n_token,
	                engine->n_token * h->n_embd * TERN_WORK_QUANTIZE);
	prefetch_down(&task, n_down_chunk);
	start_read(engine, &weights->gate, 2 * tern_panel_count(h->n_ff_expert));
	tern_engine_run(engine, gate_up_chunk, &task, s->uses[s->n_use].first_chunk, 2 * work);
	tern_tuner_stop(&engine->tuner);
	tern_engine_run(engine, activate_slot, &task, n_slot,
	                n_slot * h->n_ff_expert * (TERN_WORK_EXP + TERN_WORK_QUANTIZE));
	tern_prefetch_read(engine, weights->down.next_read);
	start_read(engine, &weights->down, tern_panel_count(h->n_embd));
	tern_engine_run(engine, down_chunk, &task, n_down_chunk, work);
	tern_tuner_stop(&engine->tuner);
}

/* ---- memory ---- */

size_t tern_experts_token_bytes(const struct tern_hparams *h)
{
	/* Of each expert that the token uses: its input, gate and up, and their product, quantized. */
	return h->n_expert_used * (h->n_embd + h->n_ff_expert * (2 * sizeof(float) + 1));
}

bool tern_experts_init(struct tern_engine *engine)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_expert_scratch *s;
	size_t n_slot, n_logit, n_hidden;

	if (!h->n_expert)
		return true;
	if (!(s = engine->experts = tern_alloc(1, sizeof *s)) ||
	    !tern_mul_size(engine->n_batch, h->n_expert_used, &n_slot) ||
	    !tern_mul_size(engine->n_batch, h->n_expert, &n_logit) || !tern_mul_size(n_slot, h->n_ff_expert, &n_hidden))
		return false;
	s->logits = tern_alloc_aligned(n_logit, sizeof *s->logits);
	s->choices = tern_alloc_aligned(n_slot, sizeof *s->choices);
	s->weights = tern_alloc_aligned(n_slot, sizeof *s->weights);
	s->slots = tern_alloc_aligned(n_slot, sizeof *s->slots);
	s->slot_tokens = tern_alloc_aligned(n_slot, sizeof *s->slot_tokens);
	s->slot_weights = tern_alloc_aligned(n_slot, sizeof *s->slot_weights);
	s->uses = tern_alloc_aligned(h->n_expert + 1, sizeof *s->uses);
	s->gate = tern_alloc_filling(n_hidden, sizeof *s->gate);
	s->up = tern_alloc_filling(n_hidden, sizeof *s->up);
	return s->logits && s->choices && s->weights && s->slots && s->slot_tokens && s->slot_weights && s->uses &&
	       s->gate && s->up && tern_quantized_alloc(engine, &s->input, n_slot, h->n_embd) &&
	       tern_quantized_alloc(engine, &s->hidden, n_slot, h->n_ff_expert);
}

void tern_experts_expect(struct tern_engine *engine, size_t n_token)
{
	const struct tern_hparams *h = &engine->transformer->hparams;
	struct tern_expert_scratch *s = engine->experts;
	size_t n_slot = n_token * h->n_expert_used;

	if (!s)
		return;
	tern_expect_use(s->gate, n_slot * h->n_ff_expert * sizeof *s->gate);
	tern_expect_use(s->up, n_slot * h->n_ff_expert * sizeof *s->up);
	tern_expect_use(s->input.q, n_slot * h->n_embd);
	tern_expect_use(s->hidden.q, n_slot * h->n_ff_expert);
}

void tern_experts_clear(struct tern_engine *engine)
{
	struct tern_expert_scratch *s = engine->experts;

	if (!s)
		return;
	void *const blocks[] = {s->logits,       s->choices, s->weights, s->slots, s->slot_tokens,
	                        s->slot_weights, s->uses,    s->gate,    s->up};
	for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
		tern_free(blocks[i]);
	tern_quantized_free(&s->input);
	tern_quantized_free(&s->hidden);
	tern_free(s);
}
