/* Everything: `#include <oassl/oassl.h>`, `pkg-config --cflags --libs oassl`.  Each header also works alone. */
#ifndef OASSL_OASSL_H
#define OASSL_OASSL_H

#include "audio.h"
#include "caption.h"
#include "context.h"
#include "data.h"
#include "encoder.h"
#include "evaluate.h"
#include "image.h"
#include "localizer.h"
#include "loss.h"
#include "metric.h"
#include "model.h"
#include "quantize.h"
#include "status.h"
#include "tensor.h"
#include "trainer.h"
#include "types.h"
#include "version.h"

#endif
