/* Uses a parsed GGUF file to the last byte: what a test or fuzzer does to files that were accepted. */
#ifndef TESTS_GGUF_READ_ALL_H
#define TESTS_GGUF_READ_ALL_H

#include "model/gguf.h"

#include <stdio.h>
#include <string.h>

/* Reads every value and every tensor; returns a sum over them. */
static inline uint64_t gguf_read_all(const struct gguf *gguf)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < gguf->n_pairs; i++) {
		const struct gguf_pair *pair = &gguf->pairs[i];
		uint64_t n = tern_gguf_value_bytes(pair);
		const uint8_t *cursor = pair->value;
		for (uint64_t at = 0; at < n; at++)
			sum += pair->value[at];
		for (uint64_t item = 0; item < pair->n_items && pair->item_type == GGUF_STRING; item++) {
			struct gguf_string string = tern_gguf_next_string(&cursor);
			sum += string.length ? (uint8_t)string.bytes[string.length - 1] : 0;
		}
	}
	for (size_t i = 0; i < gguf->n_tensors; i++)
		for (uint64_t at = 0; at < gguf->tensors[i].n_bytes; at++)
			sum += gguf->tensors[i].data[at];
	return sum;
}

/* Calls every getter for every key. Whether every key and tensor is found by its name. */
static inline bool gguf_finds_all(const struct gguf *gguf)
{
	const struct gguf_pair *array;
	struct gguf_string string;
	struct tern_error err;
	char name[GGUF_MAX_KEY_LENGTH + 1];
	uint32_t u32;
	float f32;
	bool boolean, all = true;

	for (size_t i = 0; i < gguf->n_pairs; i++) {
		const struct gguf_pair *pair = &gguf->pairs[i];
		snprintf(name, sizeof name, "%.*s", (int)pair->key.length, pair->key.bytes);
		all = all && tern_gguf_find(gguf, name) == pair;
		(void)tern_gguf_get_u32(gguf, name, &u32, NULL, &err);
		(void)tern_gguf_get_f32(gguf, name, &f32, NULL, &err);
		(void)tern_gguf_get_bool(gguf, name, &boolean, NULL, &err);
		(void)tern_gguf_get_string(gguf, name, &string, NULL, &err);
		(void)tern_gguf_get_array(gguf, name, GGUF_STRING, &array, &err);
	}
	for (size_t i = 0; i < gguf->n_tensors; i++) {
		const struct gguf_tensor *tensor = &gguf->tensors[i];
		if (memchr(tensor->name.bytes, 0, tensor->name.length))
			continue; /* cannot be asked for with a C string */
		snprintf(name, sizeof name, "%.*s", (int)tensor->name.length, tensor->name.bytes);
		all = all && tern_gguf_find_tensor(gguf, name) == tensor;
	}
	return all;
}

#endif
