/* tern.h - run ternary (1.58-bit) language models on CPUs. Link with libtern.a -lm -lpthread.
 *
 *     struct tern_error err;
 *     struct tern_model *model;
 *     struct tern_session *session;
 *     struct tern_sampler *sampler;
 *     struct tern_message question = {.role = "user", .content = "What is the capital of France?"};
 *     int32_t *ids;
 *     size_t n_ids;
 *
 *     if (tern_model_open(&model, "model.gguf", NULL, &err) ||
 *         tern_session_new(&session, model, NULL, &err) ||
 *         tern_sampler_new(&sampler, model, NULL, &err) ||
 *         tern_chat_tokenize(model, &question, 1, TERN_CHAT_GENERATE, &ids, &n_ids, &err) ||
 *         tern_generate(session, sampler, ids, n_ids, &(struct tern_generate_options){.on_text = print}, NULL, &err))
 *             return fprintf(stderr, "%s\n", err.message), err.status;
 *
 * A whole program is tests/example.c.
 *
 * Errors are values: a function that can fail returns TERN_OK (0) or what went wrong, and then writes one line
 * for the user into *err (err may be NULL). Nothing in the library prints, exits or installs a signal handler.
 *
 * Pointers have to be valid; NULL is allowed where a comment says so, and for every function that frees.
 *
 * A struct tern_model is immutable after opening and may be shared by threads and sessions. A session and a
 * sampler belong to one thread at a time. There is no global state.
 *
 * Same file, same tokens, same seed: same bits, on every CPU, with any number of threads. */
#ifndef TERN_H
#define TERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TERN_VERSION "0.1.0"

/* ---- errors ---------------------------------------------------------------------------------------------- */

/* The values are the exit statuses of the command-line programs. */
enum tern_status {
	TERN_OK = 0,
	TERN_ERR_FAILED = 1,  /* the work failed: memory, a write, logits that are not finite */
	TERN_ERR_USAGE = 2,   /* the caller asked for something that makes no sense */
	TERN_ERR_FILE = 3,    /* an input file is missing, damaged or unsupported */
	TERN_ERR_CONTEXT = 4, /* does not fit the context */
};

struct tern_error {
	enum tern_status status;
	char message[1024]; /* one line without newline; control characters of names are shown as '?' */
};

/* Frees what a function below handed out as "the caller frees". */
void tern_free(void *block);

/* ---- models ---------------------------------------------------------------------------------------------- */

struct tern_model;

/* How the codes of tensors of type I2_S stand in their bytes. The file does not say; all published ones are the
 * first; files converted on ARM may be the second. */
enum tern_i2s_layout {
	TERN_I2S_128,   /* blocks of 128 weights */
	TERN_I2S_64,    /* blocks of 64 weights */
	TERN_I2S_ROWS4, /* four rows side by side */
};

struct tern_model_options {
	bool no_mmap;  /* read the file into memory instead of mapping it */
	bool lock;     /* keep the weights from being paged out (mlock); refused by the system: an error */
	bool no_text;  /* leave the tokenizer of a model with weights out: functions of text and generation then fail
	                  with TERN_ERR_USAGE, or know no token; computing with ids works */
	int n_threads; /* for work at load time: 1 to 1024; 0 = tern_default_threads() */
	/* A chat format of tern_chat_format_name() to use instead of what the file says; NULL: the file's. */
	const char *chat_format;
	enum tern_i2s_layout i2s_layout;
	/* Go on where weights, state and cache need more memory than the system says is available; without it they are
	 * refused (TERN_ERR_FAILED). Holds for the sequences of the model too. */
	bool overcommit;
	/* Called once, from the thread that opens, if the weights of the file have to be brought into tern's layout:
	 * with the bytes of memory that they will take. tern-convert makes a file that is mapped as it is. May be NULL.
	 */
	void (*on_repack)(void *user, uint64_t n_bytes);
	/* Files of other engines are brought into tern's layout while they are opened: this is called, from the
	 * thread that opens, after each matrix, with the bytes of them that are done. Return false to give up
	 * (TERN_ERR_FAILED). May be NULL. */
	bool (*on_progress)(void *user, uint64_t n_done, uint64_t n_total);
	void *user;
};

/* Opens a GGUF file. options may be NULL. On success *model is the caller's to close. TERN_ERR_USAGE for a number
 * of threads out of range, and for a chat format that tern does not know. */
enum tern_status tern_model_open(struct tern_model **model, const char *path, const struct tern_model_options *options,
                                 struct tern_error *err);

/* Every session, sampler and string got from the model must be out of use. NULL is fine. */
void tern_model_close(struct tern_model *model);

/* Facts about a model. Strings live as long as the model. */
struct tern_model_info {
	const char *arch; /* general.architecture, e.g. "llama" */
	const char *name; /* general.name, or "" */
	int n_layer;
	int n_embd;            /* width of the residual stream */
	int n_head, n_head_kv; /* query heads; key and value heads */
	int head_dim;
	int n_ff; /* width of the feed-forward part */
	int n_vocab;
	int n_ctx_train;         /* context length the model was made for, tokens */
	uint64_t n_params;       /* weights, biases and norms */
	uint64_t n_weight_bytes; /* bytes of all tensors */
	const char *chat_format; /* e.g. "llama-3"; "" for a template that tern does not know, NULL without one */
};

/* Fills *info, whose strings live as long as the model. */
void tern_model_get_info(const struct tern_model *model, struct tern_model_info *info);

/* ---- text and tokens ------------------------------------------------------------------------------------- */

enum {
	TERN_TOKENIZE_BOS = 1,     /* put the model's beginning-of-sequence token first, where the model wants one */
	TERN_TOKENIZE_SPECIAL = 2, /* text that spells a special token becomes it; never use it on text from users */
	TERN_TOKENIZE_EOS = 4,     /* put its end-of-sequence token last, where the model wants one: for texts that are
	                              complete, such as those to embed, not for prompts */
};

/* Text (any bytes; invalid UTF-8 survives the round trip, a space at the beginning does not with every vocabulary) to
 * token ids. flags: TERN_TOKENIZE_*, or 0.
 * The caller frees *ids. */
enum tern_status tern_tokenize(const struct tern_model *model, const char *text, size_t n_bytes, unsigned flags,
                               int32_t **ids, size_t *n_ids, struct tern_error *err);

/* A lower bound on the tokens of any text of n_bytes, so that a text that cannot fit a context is refused without being
 * tokenized. 0 if the vocabulary allows no bound. */
size_t tern_least_tokens(const struct tern_model *model, size_t n_bytes);

/* Token ids to the bytes they stand for, NUL-terminated (the NUL is not counted). Special tokens are spelled out
 * if `special`, else left out. The caller frees *text. */
enum tern_status tern_detokenize(const struct tern_model *model, const int32_t *ids, size_t n_ids, bool special,
                                 char **text, size_t *n_bytes, struct tern_error *err);

/* The bytes one token stands for in running text: a special token spelled out, a word with its leading space. Not
 * NUL-terminated; lives as long as the model. NULL if id is not in the vocabulary. */
const char *tern_token_text(const struct tern_model *model, int32_t id, size_t *n_bytes);

/* The token that TERN_TOKENIZE_BOS puts first, or -1 if the model wants none. */
int32_t tern_bos(const struct tern_model *model);

/* True for the tokens that end a text or a turn. */
bool tern_is_end(const struct tern_model *model, int32_t id);

struct tern_message {
	const char *role;    /* "system", "user" or "assistant" */
	const char *content; /* any bytes */
	size_t n_bytes;      /* of content; 0: it ends at its NUL */
};

enum {
	TERN_CHAT_GENERATE = 1,    /* end where the assistant's answer begins; else after the last message */
	TERN_CHAT_NO_THINKING = 2, /* with GENERATE: ask for an answer without thoughts, where the format can (Qwen3) */
	/* One of these, for formats with a reasoning effort (Qwen3.8); without, the effort that the file's template
	 * takes by itself. It is part of the system text, so give the same to all calls of a conversation. */
	TERN_CHAT_EFFORT_LOW = 4,
	TERN_CHAT_EFFORT_MEDIUM = 8,
	TERN_CHAT_EFFORT_XHIGH = 16,
};

/* A conversation in the model's own chat format. Contents are plain text: what they spell never becomes a special
 * token. BOS comes first where the format or, in plain ChatML, the vocabulary wants it. An answer with thoughts begins
 * with their block: <think>, thoughts, </think>. flags: TERN_CHAT_*, or 0. TERN_ERR_USAGE if the model has no template
 * tern knows, for an unknown role, or for a system message or a reasoning effort that the format has no place for. The
 * caller frees *ids. */
enum tern_status tern_chat_tokenize(const struct tern_model *model, const struct tern_message *messages,
                                    size_t n_messages, unsigned flags, int32_t **ids, size_t *n_ids,
                                    struct tern_error *err);

/* Texts other than end tokens that end an answer in the model's chat format, for tern_generate_options.stops: a list
 * that ends with NULL. Lives as long as the model. */
const char *const *tern_chat_stops(const struct tern_model *model);

/* The chat formats that tern knows: "llama-3", "chatml", ... for index 0, 1, ...; NULL behind the last. */
const char *tern_chat_format_name(size_t index);
/* Whether there is a chat format of that name, or of another spelling of it ("llama3"). */
bool tern_chat_format_is_known(const char *name);

/* ---- sessions: a context and what has been computed for it ------------------------------------------------ */

struct tern_session;

/* How keys and values of the context are kept. */
enum tern_kv_type {
	TERN_KV_F16,
	TERN_KV_Q8, /* 8 bits and a scale for each key and value: half the memory, and nearly the same results */
};

struct tern_session_options {
	int n_ctx;     /* tokens of context; 0 = the least of 4096 and the model's; -1 = the model's */
	int n_threads; /* 1 to 1024; 0 = tern_default_threads() */
	int n_batch;   /* tokens computed together when a prompt is read; 0 = 256; no effect on results */
	enum tern_kv_type kv;
	int state_cache; /* MiB for snapshots, see tern_session_rewind(); 0 = 512; -1 = no snapshots */
};

/* options may be NULL. The model must outlive the session. TERN_ERR_FAILED if the context does not fit in memory beside
 * the weights, TERN_ERR_FILE if the model has no weights, TERN_ERR_USAGE for an option out of range or an environment
 * variable of the wrong form: TERN_ISA, see tern_isa_name(), and TERN_STREAMING, "STREAMS:BYTES" or
 * "STREAMS:BYTES:TOKENS", which fixes how weights are read (how many parts of a matrix at a time, 1, 2 or 4, how far
 * ahead of each, and up to how many tokens they are multiplied as they are stored) instead of having the fastest way
 * found. */
enum tern_status tern_session_new(struct tern_session **session, const struct tern_model *model,
                                  const struct tern_session_options *options, struct tern_error *err);
void tern_session_free(struct tern_session *session);

/* Appends n_ids tokens, which may be 0, to the context and computes them. logits receives [n_ids, n_vocab] floats, one
 * row a token; with NULL no logits are computed until tern_session_logits() asks for the last token's. TERN_ERR_CONTEXT
 * if they do not fit, TERN_ERR_USAGE for an id out of range, in both cases with nothing changed. */
enum tern_status tern_session_feed(struct tern_session *session, const int32_t *ids, size_t n_ids, float *logits,
                                   struct tern_error *err);

/* The logits after the last token computed: n_vocab floats, valid until the next call on the session. Zeros before the
 * first token. Computed by the first call after a token, which reads the whole output head; tern_generate() reads no
 * more of it than its sampler needs. */
const float *tern_session_logits(struct tern_session *session);

/* Tokens in the context, and how many fit. */
int tern_session_n_past(const struct tern_session *session);
int tern_session_n_ctx(const struct tern_session *session);

/* Keeps the first n_keep tokens, or fewer, and returns how many: the new tern_session_n_past(). What is fed next
 * follows them. Logits stay as they are. An n_keep that is negative, or not below tern_session_n_past(), changes
 * nothing.
 *
 * Hybrid models, those of architecture qwen35, may keep fewer: their state cannot be undone, so they return to the last
 * snapshot of it, or to the beginning, and the caller feeds the tokens from there on again. The session takes snapshots
 * itself, at least 16 tokens apart: at the end of the last turn that is fed, at the end of an answer of
 * tern_generate(), and where tern_session_rewind_to() found two texts to part. When they take more than state_cache,
 * the one that was not used for longest is dropped. */
int tern_session_rewind(struct tern_session *session, int n_keep);

/* Rewinds to the longest common beginning of the context and ids, or to fewer tokens as
 * tern_session_rewind() does, and returns how many are left: the rest of ids is to be fed. The last of ids is never
 * kept, so that feeding the rest gives its logits. */
int tern_session_rewind_to(struct tern_session *session, const int32_t *ids, size_t n_ids);

/* Threads that the session has; fewer than asked for if the system refused some. How many of them compute is found out
 * while they do: a small model may be fastest with one. */
int tern_session_n_threads(const struct tern_session *session);

/* Threads that suit this machine: fast physical cores, within affinity mask and cgroup quota; 1 to 1024. */
int tern_default_threads(void);

/* The kernel set in use on this CPU, e.g. "avx2". NULL, with err set, if the environment variable TERN_ISA names
 * one that is unknown or that this CPU lacks; opening a model fails in the same way. */
const char *tern_isa_name(struct tern_error *err);

/* ---- engines and sequences: many contexts, computed together ----------------------------------------------- */

/* A session is an engine with one sequence. A program that serves many conversations makes one engine, which has the
 * threads and the memory of a batch, and a sequence for each conversation. Tokens of several sequences that are fed
 * together read the weights once, and give each sequence the same bits as alone.
 *
 * An engine belongs to one thread at a time, and so do the sequences while it computes them. */
struct tern_engine;
struct tern_sequence;

struct tern_engine_options {
	int n_threads; /* 1 to 1024; 0 = tern_default_threads() */
	int n_batch;   /* tokens computed together; 0 = 256; no effect on results */
};

struct tern_sequence_options {
	int n_ctx; /* this and the others as in tern_session_options */
	enum tern_kv_type kv;
	int state_cache;
};

/* options may be NULL. The model must outlive what is made of it. Errors are those of tern_session_new(). Free a
 * sequence before or after the engine that has computed it. */
enum tern_status tern_engine_new(struct tern_engine **engine, const struct tern_model *model,
                                 const struct tern_engine_options *options, struct tern_error *err);
void tern_engine_free(struct tern_engine *engine);
enum tern_status tern_sequence_new(struct tern_sequence **sequence, const struct tern_model *model,
                                   const struct tern_sequence_options *options, struct tern_error *err);
void tern_sequence_free(struct tern_sequence *sequence);

/* Tokens to append to a sequence. */
struct tern_feed {
	struct tern_sequence *sequence;
	const int32_t *ids;
	size_t n_ids; /* at least 1 */
};

/* Appends tokens to n_feeds sequences, no two of them the same, and computes them in as few batches as they fit. logits
 * receives [n_feeds, n_vocab] floats, those of each sequence's last token; with NULL none are computed until
 * tern_engine_logits() asks for them. TERN_ERR_CONTEXT if tokens of a sequence do not fit, TERN_ERR_USAGE for an id out
 * of range, a sequence of another model or one that comes twice, in all cases with nothing changed. */
enum tern_status tern_engine_feed(struct tern_engine *engine, const struct tern_feed *feeds, size_t n_feeds,
                                  float *logits, struct tern_error *err);

/* As tern_session_logits(), for one sequence: valid until more is computed for it. The sequence has to be of the
 * engine's model; NULL if it is not. */
const float *tern_engine_logits(struct tern_engine *engine, struct tern_sequence *sequence);

/* As tern_session_n_threads(). */
int tern_engine_n_threads(const struct tern_engine *engine);

/* As the functions of the same names for sessions. */
int tern_sequence_n_past(const struct tern_sequence *sequence);
int tern_sequence_n_ctx(const struct tern_sequence *sequence);
int tern_sequence_rewind(struct tern_sequence *sequence, int n_keep);
int tern_sequence_rewind_to(struct tern_sequence *sequence, const int32_t *ids, size_t n_ids);

/* ---- embeddings ------------------------------------------------------------------------------------------ */

/* Whose vectors make the vector of a text. */
enum tern_pooling {
	TERN_POOLING_MODEL, /* the file's choice; the last token's if it has none */
	TERN_POOLING_LAST,
	TERN_POOLING_MEAN,
	TERN_POOLING_FIRST,
};

/* The vector of a text: the last layer's output after the output norm, pooled and scaled to length 1, into
 * embedding [n_embd]. What was in the context is forgotten; the n_ids tokens (more than 0) are in it afterwards.
 * TERN_ERR_CONTEXT if they do not fit and TERN_ERR_USAGE for a token or pooling that is none, the context as it was;
 * TERN_ERR_FAILED if the vector is not finite. */
enum tern_status tern_session_embed(struct tern_session *session, const int32_t *ids, size_t n_ids,
                                    enum tern_pooling pooling, float *embedding, struct tern_error *err);

/* ---- sampling -------------------------------------------------------------------------------------------- */

struct tern_sampler;

/* Begin with tern_sampler_defaults(): zeros are settings, too, and a repeat_penalty of 0 is refused. */
struct tern_sampler_options {
	float temperature;    /* 0 = greedy: always the most likely token, the lowest id of equals */
	int top_k;            /* only the k most likely tokens; 0 = all */
	float top_p;          /* only the most likely tokens whose probabilities add up to this; 1 = all, 0 = one */
	float min_p;          /* only tokens at least this likely relative to the most likely; 0 = all */
	float repeat_penalty; /* logits of recent tokens are divided (positive) or multiplied (negative) by it; 1 = off
	                       */
	int repeat_last_n;    /* how many tokens back is recent */
	uint64_t seed;
};

/* temperature 0.8, top_k 40, top_p 0.95, min_p 0.05, no penalty (over 64 tokens), seed 0. */
struct tern_sampler_options tern_sampler_defaults(void);

/* options NULL = tern_sampler_defaults(). TERN_ERR_USAGE for a setting out of range, TERN_ERR_FILE for a model without
 * weights. */
enum tern_status tern_sampler_new(struct tern_sampler **sampler, const struct tern_model *model,
                                  const struct tern_sampler_options *options, struct tern_error *err);
void tern_sampler_free(struct tern_sampler *sampler);

/* Picks the next token from n_vocab logits. TERN_ERR_FAILED if one of them is not finite. */
enum tern_status tern_sampler_pick(struct tern_sampler *sampler, const float *logits, int32_t *id,
                                   struct tern_error *err);

/* Tells the sampler that a token (picked, or of the prompt) is now part of the text, for the penalty. */
void tern_sampler_accept(struct tern_sampler *sampler, int32_t id);

/* ---- probabilities, as the model gives them, before the sampler -------------------------------------------- */

struct tern_candidate {
	int32_t id;
	float probability; /* 0 to 1; those of all n_vocab tokens add up to 1 */
};

/* Probability of a token (0 <= id < n_vocab) after n_vocab finite logits: their softmax, before temperature, penalty
 * and all the rest. */
float tern_token_probability(const float *logits, size_t n_vocab, int32_t id);

/* The n_top likeliest tokens (fewer if there are fewer), likeliest first, the lower id of equals; returns how many.
 * Made for small numbers: the time grows with n_vocab * n_top. */
size_t tern_top_tokens(const float *logits, size_t n_vocab, struct tern_candidate *top, size_t n_top);

/* ---- generation ------------------------------------------------------------------------------------------ */

struct tern_generate_options {
	int n_predict;            /* tokens at most; 0 = until the text ends or the context is full */
	const char *const *stops; /* strings, none empty, that end the text and are not part of it */
	size_t n_stops;
	/* Tokens guessed at a time, at most: what followed the longest suffix of the text that came before is computed
	 * together with the next token, and taken as far as it turns out to be what the sampler picks. The result is
	 * the same, sooner where a text repeats itself; how many are guessed is judged by what guesses have saved and
	 * cost in this session. 0 = 16, which is the most; -1 = none, as always with hybrid models, which cannot go
	 * back (see tern_session_rewind()). */
	int lookup;
	bool ignore_end;   /* go on past end tokens */
	bool show_special; /* spell special tokens out in the text */
	/* Called after every token with the text it completed: whole UTF-8 characters only, broken ones as U+FFFD,
	 * or nothing (n_bytes 0) while text is held back; several times where it has broken characters, and at the end
	 * with what was still held back. Return false to stop. May be NULL. */
	bool (*on_text)(void *user, const char *text, size_t n_bytes);
	/* Called for every token that was picked, before on_text and also for the end token, with its probability (see
	 * tern_token_probability) and the n_vocab logits it was picked from, valid during the call. Costs the work of
	 * computing all of them where the sampler could do with fewer. May be NULL. */
	void (*on_token)(void *user, int32_t id, float probability, const float *logits);
	/* Called now and then while a long prompt is read. Return false to stop. May be NULL. */
	bool (*on_prompt)(void *user, size_t n_done, size_t n_total);
	/* Called several times a layer: even with the largest models, returning false ends the work within a fraction
	 * of a second. The context is then as it was before the current batch or, with a hybrid model, as at the last
	 * snapshot: see tern_session_rewind(). Not called while a hybrid model generates, one token at a time: to
	 * drop that token would also drop all since the last snapshot. Return false from on_text to stop there. May be
	 * NULL. */
	bool (*keep_going)(void *user);
	void *user;
};

enum tern_finish {
	TERN_FINISH_STOP,        /* an end token */
	TERN_FINISH_STOP_STRING, /* one of the stop strings */
	TERN_FINISH_LENGTH,      /* n_predict tokens */
	TERN_FINISH_CONTEXT,     /* the context is full */
	TERN_FINISH_INTERRUPTED, /* a callback returned false */
};

struct tern_generate_result {
	enum tern_finish finish;
	int n_prompt, n_generated; /* tokens; the end token is not counted */
	double prompt_seconds, generate_seconds;
	int n_guessed, n_accepted; /* tokens that were guessed, and those of them that were right */
};

/* Reads the prompt (n_ids > 0 tokens, appended to the session's context) and generates until one of the reasons above.
 * The sampler has to be of the session's model. options NULL: all are 0. TERN_ERR_USAGE for an option out of range.
 * result may be NULL; it is filled also when an error ends the work, with what was done. */
enum tern_status tern_generate(struct tern_session *session, struct tern_sampler *sampler, const int32_t *ids,
                               size_t n_ids, const struct tern_generate_options *options,
                               struct tern_generate_result *result, struct tern_error *err);

#ifdef __cplusplus
}
#endif

#endif
