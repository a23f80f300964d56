/* Fuzz target: a vocabulary, then a text to encode with it. Ids are in range; where every byte has a token and nothing
 * is composed, decoding gives the text back; rendering any chat works. */
#include "base/memory.h"
#include "fuzz.h"
#include "text/chat.h"
#include "text/pretokenize.h"
#include "text/tokenizer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_PIECES = 64,
	N_BYTES = 256
};

struct input {
	const uint8_t *at, *end;
};

static unsigned take(struct input *in) { return in->at < in->end ? *in->at++ : 0; }

static struct tern_piece take_piece(struct input *in)
{
	size_t length = take(in) % 24;

	if (length > (size_t)(in->end - in->at))
		length = (size_t)(in->end - in->at);
	struct tern_piece piece = {(const char *)in->at, length};
	in->at += length;
	return piece;
}

/* SPM byte tokens, by their names. */
static size_t add_bytes(struct tern_piece *pieces, int32_t *types, char names[N_BYTES][8])
{
	for (size_t i = 0; i < N_BYTES; i++) {
		pieces[i] = (struct tern_piece){names[i], (size_t)snprintf(names[i], sizeof names[i], "<0x%02zX>", i)};
		types[i] = TERN_TOKEN_BYTE;
	}
	return N_BYTES;
}

static void check(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes, unsigned flags, bool exact)
{
	struct tern_ids ids = {0};
	bool strips = tern_tokenizer_strips_space(tokenizer);
	size_t n = 0;

	if (tern_tokenizer_encode(tokenizer, text, n_bytes, flags, &ids, NULL))
		abort();
	for (size_t i = 0; i < ids.n_ids; i++) {
		if (ids.ids[i] < 0 || (size_t)ids.ids[i] >= tern_tokenizer_n_pieces(tokenizer))
			abort();
		struct tern_piece piece = tern_tokenizer_piece(tokenizer, ids.ids[i]);
		bool whole = tern_tokenizer_is_whole(tokenizer, ids.ids[i]);
		size_t skip = strips && !whole && piece.length > 0 && piece.bytes[0] == ' ';
		if (exact &&
		    (piece.length - skip > n_bytes - n || memcmp(text + n, piece.bytes + skip, piece.length - skip)))
			abort();
		n += piece.length - skip;
		strips = whole && tern_tokenizer_strips_space(tokenizer);
	}
	if (exact && n != n_bytes)
		abort();
	tern_free(ids.ids);
}

static void check_chat(const struct tern_tokenizer *tokenizer, const char *text, size_t n_bytes, unsigned format)
{
	char *copy = malloc(n_bytes + 1);
	struct tern_ids ids = {0};

	if (!copy)
		abort();
	memcpy(copy, text, n_bytes);
	copy[n_bytes] = '\0';
	struct tern_message messages[] = {{.role = "user", .content = copy, .n_bytes = n_bytes},
	                                  {.role = "assistant", .content = copy}};
	tern_chat_detect(text, n_bytes, text, n_bytes / 2, n_bytes);
	struct tern_chat_efforts efforts = tern_chat_efforts_find(text, n_bytes);
	tern_chat_encode(tokenizer, (enum tern_chat_format)(format % TERN_CHAT_N_FORMATS), &efforts, messages, 2,
	                 format / 32, &ids, NULL);
	tern_free(ids.ids);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static const char *const pres[] = {"llama-bpe", "smaug-bpe", "qwen2", "gpt-2", "olmo", "default"};
	static char names[N_BYTES][8];
	struct input in = {bytes, bytes + n_bytes};
	struct tern_piece pieces[MAX_PIECES + N_BYTES], merges[MAX_PIECES];
	int32_t types[MAX_PIECES + N_BYTES];
	float scores[MAX_PIECES + N_BYTES] = {0};
	unsigned options = take(&in), format = take(&in);
	bool spm = options & 1, has_bytes = spm && options & 2;
	struct tern_vocab vocab = {.kind = spm ? TERN_VOCAB_SPM : TERN_VOCAB_BPE,
	                           .pre = pres[options / 32 % 6],
	                           .pieces = pieces,
	                           .types = types,
	                           .scores = scores,
	                           .merges = merges,
	                           .bos_id = -1,
	                           .eos_id = -1,
	                           .unk_id = -1,
	                           .add_space_prefix = options & 4};
	struct tern_tokenizer *tokenizer;

	if (has_bytes)
		vocab.n_pieces = add_bytes(pieces, types, names);
	for (size_t n = take(&in) % MAX_PIECES; n > 0; n--, vocab.n_pieces++) {
		unsigned type = take(&in);
		types[vocab.n_pieces] = (int32_t)(type % 16 < 6 ? type % 16 : TERN_TOKEN_NORMAL);
		scores[vocab.n_pieces] = (float)(type / 16);
		pieces[vocab.n_pieces] = take_piece(&in);
	}
	for (size_t n = take(&in) % MAX_PIECES; n > 0; n--)
		merges[vocab.n_merges++] = take_piece(&in);
	vocab.unk_id = options & 8 && vocab.n_pieces ? (int32_t)vocab.n_pieces - 1 : -1;
	if (tern_tokenizer_new(&tokenizer, &vocab, "fuzz", NULL))
		return 0;
	const char *text = (const char *)in.at;
	size_t n_text = (size_t)(in.end - in.at);
	check(tokenizer, text, n_text, options & 16 ? TERN_TOKENIZE_SPECIAL : 0, has_bytes);
	check_chat(tokenizer, text, n_text, format);
	tern_tokenizer_free(tokenizer);
	return 0;
}
