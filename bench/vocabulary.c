#include "vocabulary.h"

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "text/piece_table.h"

#include <stdio.h>
#include <string.h>

enum {
	N_CONTROL = 256,
	MAX_SPELLED = 24,   /* bytes of a token */
	MERGES_A_TOKEN = 3, /* at most, on average; Llama 3 has 2.2 */
	FIRST_LETTER = 'a' - '!',
	N_LETTERS = 3,
};

struct invention {
	size_t n_vocab, n_pieces, n_merges, max_merges;
	struct tern_piece *pieces;
	struct gguf_string *merges, *tokens;
	int32_t *types;
	struct piece_table table;
	char *text, *end; /* of all spellings */
	uint64_t random;
};

static bool allocate(struct invention *v)
{
	v->max_merges = MERGES_A_TOKEN * v->n_vocab;
	v->pieces = tern_alloc(v->n_vocab, sizeof *v->pieces);
	v->tokens = tern_alloc(v->n_vocab, sizeof *v->tokens);
	v->types = tern_alloc(v->n_vocab, sizeof *v->types);
	v->merges = tern_alloc(v->max_merges, sizeof *v->merges);
	v->text = v->end = tern_alloc(v->n_vocab * (MAX_SPELLED + 8) + v->max_merges * (MAX_SPELLED + 1), 1);
	return v->pieces && v->tokens && v->types && v->merges && v->text &&
	       tern_piece_table_init(&v->table, v->pieces, v->n_vocab);
}

static void release(struct invention *v)
{
	tern_free(v->table.slots);
	tern_free(v->text);
	tern_free(v->merges);
	tern_free(v->types);
	tern_free(v->tokens);
	tern_free(v->pieces);
}

/* Takes the n bytes at v->end as the next token; false if there is one like it. */
static bool add_piece(struct invention *v, size_t n, int32_t type)
{
	size_t id = v->n_pieces;

	v->pieces[id] = (struct tern_piece){v->end, n};
	if (!tern_piece_table_add(&v->table, (int32_t)id))
		return false;
	v->tokens[id] = (struct gguf_string){v->end, n};
	v->types[id] = type;
	v->end += n;
	v->n_pieces++;
	return true;
}

/* Letters first, as in the files there are; how GPT-2 spells the others is in src/text/bpe.c. */
static void add_bytes(struct invention *v)
{
	uint32_t next = 0x100;

	for (uint32_t c = '!'; c <= 0xff; c++)
		if (c <= '~' || (c >= 0xa1 && c != 0xad))
			add_piece(v, tern_utf8_encode(c, v->end), TERN_TOKEN_NORMAL);
	while (v->n_pieces < 256)
		add_piece(v, tern_utf8_encode(next++, v->end), TERN_TOKEN_NORMAL);
}

/* All the ways to make the last token of two earlier ones, as the converters of such vocabularies list them. */
static void add_merges(struct invention *v)
{
	struct tern_piece made = v->pieces[v->n_pieces - 1];

	for (size_t left = 1; left < made.length && v->n_merges < v->max_merges; left++) {
		if (tern_piece_table_find(&v->table, made.bytes, left) < 0 ||
		    tern_piece_table_find(&v->table, made.bytes + left, made.length - left) < 0)
			continue;
		memcpy(v->end, made.bytes, left);
		v->end[left] = ' ';
		memcpy(v->end + left + 1, made.bytes + left, made.length - left);
		v->merges[v->n_merges++] = (struct gguf_string){v->end, made.length + 1};
		v->end += made.length + 1;
	}
}

/* One of the tokens so far, a short one, which come first, more often than a long one. Of the bytes only some letters
 * are joined: the fewer they are, the more ways there are to make a token. */
static struct tern_piece pick_part(struct invention *v)
{
	double r = tern_random_fraction(&v->random);
	size_t id = (size_t)(r * r * (double)v->n_pieces);

	return v->pieces[id < 256 ? FIRST_LETTER + id % N_LETTERS : id];
}

static void add_made(struct invention *v)
{
	struct tern_piece left = pick_part(v), right = pick_part(v);

	if (left.length + right.length > MAX_SPELLED)
		return;
	memcpy(v->end, left.bytes, left.length);
	memcpy(v->end + left.length, right.bytes, right.length);
	if (add_piece(v, left.length + right.length, TERN_TOKEN_NORMAL))
		add_merges(v);
}

static void invent(struct invention *v)
{
	add_bytes(v);
	while (v->n_pieces < v->n_vocab - N_CONTROL)
		add_made(v);
	for (int i = 0; v->n_pieces < v->n_vocab; i++)
		add_piece(v, (size_t)sprintf(v->end, "<|reserved_special_%d|>", i), TERN_TOKEN_CONTROL);
}

enum tern_status put_invented_vocabulary(struct gguf_writer *writer, size_t n_vocab, struct tern_error *err)
{
	struct invention v = {.n_vocab = n_vocab};
	uint32_t bos = (uint32_t)n_vocab - N_CONTROL;

	if (!allocate(&v)) {
		release(&v);
		return tern_fail_memory(err, n_vocab * MAX_SPELLED);
	}
	invent(&v);
	tern_gguf_put_string(writer, "tokenizer.ggml.model", "gpt2", 4);
	tern_gguf_put_string(writer, "tokenizer.ggml.pre", "llama-bpe", 9);
	tern_gguf_put_strings(writer, "tokenizer.ggml.tokens", v.tokens, v.n_pieces);
	tern_gguf_put_array(writer, "tokenizer.ggml.token_type", GGUF_I32, v.types, v.n_pieces);
	tern_gguf_put_strings(writer, "tokenizer.ggml.merges", v.merges, v.n_merges);
	tern_gguf_put_u32(writer, "tokenizer.ggml.bos_token_id", bos);
	tern_gguf_put_u32(writer, "tokenizer.ggml.eos_token_id", bos + 1);
	release(&v);
	return TERN_OK;
}
