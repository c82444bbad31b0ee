/* Looking through manifests and lists: what is wrong with them, what is in them. */
#ifndef OAI_DATA_CHECK_H
#define OAI_DATA_CHECK_H

#include "base/host.h"
#include "oassl/data.h"

oassl_status oai_data_check(const oai_host *host, const char *path, const oassl_check_options *options,
                            oassl_check_counts *out_counts);
/* JSON text by malloc (jansson), for free(). */
oassl_status oai_data_stats(const oai_host *host, const char *path, char **out_text);

#endif
