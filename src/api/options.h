/* What engine.c and session.c share: settings checked, and the defaults filled in. */
#ifndef TERN_API_OPTIONS_H
#define TERN_API_OPTIONS_H

#include "api/model.h"
#include "infer/engine.h"

enum tern_status tern_engine_options_complete(struct tern_engine_options *options, struct tern_error *err);
enum tern_status tern_sequence_options_complete(struct tern_sequence_options *options, const struct tern_model *model,
                                                struct tern_error *err);

/* options are complete. On failure nothing is left. */
enum tern_status tern_sequence_make(struct tern_sequence *sequence, const struct tern_model *model,
                                    const struct tern_sequence_options *options, struct tern_error *err);

#endif
