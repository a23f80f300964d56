#include "model/gguf_foreign.h"

#include "base/bytes.h"

#include <stdbool.h>

static bool begins_with(const uint8_t *bytes, size_t n_bytes, const char *start)
{
	for (size_t i = 0; start[i]; i++) {
		if (i >= n_bytes)
			return false;
		uint8_t c = bytes[i];
		if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != (uint8_t)start[i])
			return false;
	}
	return true;
}

const char *tern_gguf_looks_like(const uint8_t *bytes, size_t n_bytes)
{
	/* Lower case stands for both cases. */
	static const char *const signs[][2] = {
	        {"version https://git-lfs",
	         "it is a Git LFS pointer, not the file itself; fetch that with 'git lfs pull'"},
	        {"<!doctype html", "it is a web page: the download went wrong"},
	        {"<html", "it is a web page: the download went wrong"},
	        {"<?xml", "it is a web page or XML: the download went wrong"},
	        {"\x89png", "it is a PNG image"},
	        {"\xff\xd8\xff", "it is a JPEG image"},
	        {"pk\x03\x04", "it is a ZIP archive, perhaps a PyTorch checkpoint; save that as safetensors, then use "
	                       "tern-convert"},
	        {"\x80\x02", "it is a Python pickle, perhaps a PyTorch checkpoint; save that as safetensors, then use "
	                     "tern-convert"},
	        {"\x1f\x8b", "it is gzip-compressed; unpack it first"},
	        {"\x28\xb5\x2f\xfd", "it is zstd-compressed; unpack it first"},
	        {"\x7f"
	         "elf",
	         "it is a program"},
	        {"lmgg", "it is a GGML file, the format before GGUF; get the model as GGUF"},
	        {"fmgg", "it is a GGML file, the format before GGUF; get the model as GGUF"},
	        {"tjgg", "it is a GGML file, the format before GGUF; get the model as GGUF"},
	        {"{", "it is JSON; tern-convert takes the directory that holds config.json"},
	};

	if (n_bytes > 8 && bytes[8] == '{' && tern_load_u64(bytes) <= n_bytes - 8)
		return "it is a safetensors file; convert the directory it is in with tern-convert";
	while (n_bytes > 0 && (*bytes == ' ' || *bytes == '\n' || *bytes == '\r' || *bytes == '\t'))
		bytes++, n_bytes--;
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (begins_with(bytes, n_bytes, signs[i][0]))
			return signs[i][1];
	return NULL;
}
