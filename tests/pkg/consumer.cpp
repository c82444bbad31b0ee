// A C++17 program outside the tree: fresh weights, a picture and a sound from memory, a heat-map.
#include <cmath>
#include <cstdio>
#include <memory>
#include <oassl/oassl.h>
#include <stdexcept>
#include <vector>

namespace {

void check(oassl_status status) {
    if (status != OASSL_STATUS_OK) throw std::runtime_error(oassl_last_error());
}

template <typename T, void (*destroy)(T *)> struct deleter {
    void operator()(T *handle) const { destroy(handle); }
};
template <typename T, void (*destroy)(T *)> using handle = std::unique_ptr<T, deleter<T, destroy>>;

using context_handle = handle<oassl_context, oassl_context_destroy>;
using model_handle = handle<oassl_model, oassl_model_destroy>;
using localizer_handle = handle<oassl_localizer, oassl_localizer_destroy>;

void localize() {
    oassl_context_options options = OASSL_CONTEXT_OPTIONS_INIT;
    options.n_threads = 1;
    oassl_context *context = nullptr;
    check(oassl_context_create(&options, &context));
    const context_handle context_owner(context);

    oassl_model_options model_options = OASSL_MODEL_OPTIONS_INIT;
    model_options.base_width = 4;
    model_options.text_dim = -1;
    oassl_model *model = nullptr;
    check(oassl_model_create(context, &model_options, &model));
    const model_handle model_owner(model);

    oassl_localizer_options localizer_options = OASSL_LOCALIZER_OPTIONS_INIT;
    localizer_options.input_width = localizer_options.input_height = 64;
    oassl_localizer *localizer = nullptr;
    check(oassl_localizer_create(model, &localizer_options, &localizer));
    const localizer_handle localizer_owner(localizer);

    const int32_t width = 90, height = 70;
    std::vector<uint8_t> pixels(3 * width * height);
    for (size_t i = 0; i < pixels.size(); i++) pixels[i] = static_cast<uint8_t>(i * 37);
    std::vector<float> samples(3 * 16000);
    for (size_t i = 0; i < samples.size(); i++) samples[i] = 0.3f * std::sin(0.2f * static_cast<float>(i));
    oassl_image picture{};
    picture.rgb = pixels.data();
    picture.width = width;
    picture.height = height;
    oassl_audio sound{};
    sound.samples = samples.data();
    sound.frames = static_cast<int64_t>(samples.size());
    sound.channels = 1;
    sound.rate = 16000;

    const oassl_localization *found = nullptr;
    check(oassl_localizer_run(localizer, &picture, &sound, &found));
    if (found->width != 90 || found->height != 70 || found->n_sources != 1)
        throw std::runtime_error("the heat-map has another size than the picture");
    const oassl_localized_source &source = found->sources[0];
    if (source.map[source.peak_y * width + source.peak_x] != source.peak)
        throw std::runtime_error("the peak is not on the map");
    std::printf("peak (%d, %d), %.3f\n", source.peak_x, source.peak_y, static_cast<double>(source.peak));

    sound.frames = 0;
    if (oassl_localizer_run(localizer, &picture, &sound, &found) != OASSL_STATUS_INVALID_ARGUMENT || found)
        throw std::runtime_error("an empty sound was accepted");
}

} // namespace

int main() {
    try {
        localize();
    } catch (const std::exception &problem) {
        std::fprintf(stderr, "consumer: %s\n", problem.what());
        return 1;
    }
    return 0;
}
