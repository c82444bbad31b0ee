"""The log-spectrogram of three seconds of sound by scipy, as the published loaders of this family call it.

usage: peers_audio.py SOUND.f32 DTYPE LOGSPEC.f32      one worker (worker.py); DTYPE is what scipy is given: float64, as soundfile
                                                       reads, or float32
"""
import sys

import numpy as np
import scipy
from scipy import signal

import worker


def main():
    samples = np.fromfile(sys.argv[1], np.float32).astype(sys.argv[2])

    def call():
        _, _, power = signal.spectrogram(np.clip(samples, -1, 1), 16000, nperseg=512, noverlap=274)
        return (np.log(power + 1e-7) / 12).astype(np.float32)

    ours = np.fromfile(sys.argv[3], np.float32)
    difference = float(np.abs(call().ravel() - ours).max())
    worker.serve(call, name="scipy, " + sys.argv[2], version=scipy.__version__, difference=difference)


if __name__ == "__main__":
    main()
