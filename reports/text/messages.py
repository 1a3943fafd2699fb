"""What a run has to say to a person, by the code of its notice: `word` puts a stored notice into a language.

A template's places are the notice's values. A number takes a format of Python or ``duration``; a name of
`reports.text.words` takes ``word`` and is translated; several notices in one place are joined by a semicolon, or with
``and`` by commas and a last "and".
"""

from __future__ import annotations

import string

from bench.results.duration import duration
from bench.results.notice import Notice, Value
from reports.text.formatting import visible
from reports.text.i18n import ENGLISH, N_, Plural, Translator

__all__ = ["MESSAGES", "word"]

_DATA: dict[str, str | Plural] = {
    "unreadable_files": Plural(
        "{count} unreadable file left out: {name} ({reason})",
        "{count} unreadable files left out, such as {name} ({reason})",
    ),
    "ignored_files": Plural(
        "{count} file not taken for an image: {name} ({reason})",
        "{count} files not taken for images, such as {name} ({reason})",
    ),
    "conflicting_labels": Plural(
        "identical images carry different labels ({count} such set): {names:and}",
        "identical images carry different labels ({count} such sets), for example {names:and}",
    ),
    "duplicates_left_out": Plural("{count} exact duplicate left out", "{count} exact duplicates left out"),
    "split_leaks": Plural(
        "{count} pair of duplicates lies in different splits: {names:and}",
        "{count} pairs of duplicates lie in different splits, such as {names:and}",
    ),
    "too_many_near_pairs": N_(
        "{count:,} pairs of images look alike; that many are not copies, so near duplicates are not kept in one split "
        "(exact ones are). Lower dataset.duplicates.near_threshold"
    ),
    "near_chain_too_long": N_(
        "{count:,} images look alike in one chain; that many are not copies, so near duplicates are not kept in one "
        "split (exact ones are). Lower dataset.duplicates.near_threshold"
    ),
    "few_gray_levels": N_(
        "{count:,} of {images:,} images with 16 bits a channel have fewer than {levels} levels left of 256: a few "
        "brighter images have all scaled from {bits} bits. Leave those out, or store the images with 8 bits."
    ),
    "pixels_transparency": Plural(
        "{count:,} image: transparency laid on white", "{count:,} images: transparency laid on white"
    ),
    "pixels_rotated": Plural(
        "{count:,} image: turned upright, as its EXIF or XMP data says",
        "{count:,} images: turned upright, as their EXIF or XMP data says",
    ),
    "pixels_wide": Plural(
        "{count:,} image of 16 bits a channel: scaled from {bits} bits to 8 (the highest value is {highest:,})",
        "{count:,} images of 16 bits a channel: all scaled from {bits} bits to 8 (the highest value is {highest:,})",
    ),
    "pixels_float": Plural(
        "{count:,} image of floating-point pixels: 0..1 scaled to 0..255",
        "{count:,} images of floating-point pixels: 0..1 scaled to 0..255",
    ),
    "pixels_palette": Plural(
        "{count:,} image with a palette: its colors taken", "{count:,} images with a palette: their colors taken"
    ),
    "pixels_cmyk": Plural(
        "{count:,} image in CMYK: converted without a color profile",
        "{count:,} images in CMYK: converted without a color profile",
    ),
    "pixels_color_space": Plural(
        "{count:,} image in Lab, HSV or YCbCr: converted to RGB",
        "{count:,} images in Lab, HSV or YCbCr: converted to RGB",
    ),
    "pixels_profile": Plural(
        "{count:,} image with a color profile that is not sRGB: the profile is ignored",
        "{count:,} images with a color profile that is not sRGB: the profiles are ignored",
    ),
    "pixels_first_frame": Plural(
        "{count:,} image of several frames or pages: only the first one is used",
        "{count:,} images of several frames or pages: only the first one is used",
    ),
    "pixels_metadata": Plural(
        "{count:,} image whose metadata are damaged or too large: read without them",
        "{count:,} images whose metadata are damaged or too large: read without them",
    ),
    "pixels_end": Plural(
        "{count:,} JPEG image without an end marker: read, since its pixels are whole",
        "{count:,} JPEG images without an end marker: read, since their pixels are whole",
    ),
    "class_imbalance": N_("The largest class has {ratio:.0f} times as many images as the smallest"),
    "patient_unknown": N_(
        "The patient of each image is not known (the names carry no patient id), so images of one patient may lie in "
        "more than one split: scores may be optimistic for new patients."
    ),
    "patients_not_in_file": N_("Patients are not identified in the file."),
    "bloodmnist_of_pbc": N_(
        "The images are those of the PBC set, cropped to 200 x 200 and resized; PBC has duplicates."
    ),
    "synthetic_images": N_(
        "These are synthetic images, not cells: scores on them say nothing about how a model does on blood."
    ),
    "images_without_labels": Plural(
        "{count:,} of {images:,} images of its {split} split has no label or no pixels; it was left out.",
        "{count:,} of {images:,} images of its {split} split have no label or no pixels; they were left out.",
    ),
    "split_without_labels": N_(
        "None of the {count:,} images of its {split} split has a label; the split was left out."
    ),
    "zip_names_guessed": Plural(
        "The encoding of {count:,} name in the zip is not known, such as {name}: it was read as code page 437. Set "
        "dataset.zip_encoding (gbk, shift_jis, cp866, cp1252 ...) if it looks wrong.",
        "The encoding of {count:,} names in the zip is not known, such as {name}: they were read as code page 437. Set "
        "dataset.zip_encoding (gbk, shift_jis, cp866, cp1252 ...) if it looks wrong.",
    ),
    "hub_license": N_("License and citation: see the page of the data set."),
    "duplicate_of": N_("a duplicate of {name}"),
    "conflicting_pixels": N_("the same pixels carry different labels: {names:and}"),
    "image_labeled": N_("{name} ({label})"),
    "not_in_split_file": N_("not in the split file"),
}

_FILES: dict[str, str | Plural] = {
    "file_empty": N_("the file is empty"),
    "not_an_image": N_("not an image (JPEG, PNG, TIFF, BMP, GIF and WebP can be read)"),
    "too_many_pixels": N_("claims {width:,} x {height:,} pixels, more than {limit:,}; refused"),
    "more_pixels_than": N_("claims more than {limit:,} pixels; refused"),
    "float_pixels_out_of_range": N_("floating-point pixels outside 0..1; store the image with 8 or 16 bits"),
    "damaged_image": N_("damaged or cut short ({reason})"),
    "no_known_prefix": N_("it has no label: the file name begins with no known prefix"),
    "name_not_utf8": N_("its name is not valid UTF-8"),
    "suffix_unknown": N_("its name does not end like an image's"),
    "hidden_folder": N_("it lies in a hidden folder"),
    "outside_class_folders": N_("it lies in no class folder"),
    "outside_layout": N_("it does not lie as {layout} says"),
    "system_folder": N_("it lies in a folder that a system keeps for itself"),
    "foreign_format": N_("{format} is not read: {cure}"),
    "convert_photo": N_("convert it to PNG or JPEG, for example with ImageMagick: magick mogrify -format png FILES"),
    "convert_raw": N_("develop it to 8-bit PNG or TIFF, for example with darktable-cli or rawpy"),
    "convert_dicom": N_("export it as PNG with the right window, for example with dcm2pnm or pydicom"),
    "convert_volume": N_("export its slices as PNG, for example with nibabel or ITK"),
    "extract_frames": N_("take its frames out as PNG, for example with ffmpeg"),
    "unpack_first": N_("unpack it first"),
    "fetch_lfs": N_("fetch the file itself with git lfs pull"),
    "download_again": N_("download the image again; a page or an error message was saved in its place"),
    "zip_method_unknown": N_("compressed with {method}, which is not read; make the zip again with the method deflate"),
    "link_to_listed": N_("a link to a folder that is listed already"),
    "broken_link": N_("a broken link"),
    "not_regular_file": N_("not a regular file"),
    "odd_size": N_("{size} instead of {usual}"),
    "odd_mode": N_("mode {mode} instead of {usual}"),
    "exif_rotated": N_("turned upright, as its EXIF or XMP data says"),
    "integer_pixels_out_of_range": N_("32-bit integer pixels outside 0..65535; store the image with 8 or 16 bits"),
    "tiff_samples_not_read": N_(
        "a TIFF that is damaged, or whose samples are of a kind that is not read; store it as gray or RGB with 8 or 16 "
        "bits, channels together"
    ),
    "side_too_long": N_("claims {width:,} x {height:,} pixels; a side of more than {limit:,} is refused"),
    "too_many_passes": N_("a JPEG in {passes:,} passes, more than {limit}; refused"),
}

_ENERGY: dict[str, str | Plural] = {
    "no_rapl": N_("CPU: this system shows no RAPL counters (virtual machines and macOS have none)"),
    "rapl_needs_rights": N_(
        "CPU: its RAPL counters cannot be read ({reason}); reading them needs root rights, or zeus with its "
        "daemon ({zeus})"
    ),
    "gpu_energy_missing": N_("GPU: {reason}"),
    "zeus_missing": N_("zeus is not installed"),
    "zeus_no_cpu": N_("zeus finds no CPU"),
    "zeus_unknown_device": N_("zeus does not know {device}"),
    "no_nvidia_driver": N_("no NVIDIA driver answers ({reason})"),
    "driver_closed": N_("the driver's library was not opened"),
    "device_not_visible": N_("CUDA_VISIBLE_DEVICES={visible} shows no {device}"),
    "driver_unknown_device": N_("the driver does not know {device} ({reason})"),
    "no_energy_counter": N_("there is no energy counter for {device} devices"),
    "hardware_counters": N_("hardware counters of the whole {names:and}, including whatever else ran on it"),
    "too_short_for_counter": N_("it ended before a counter could be read twice"),
    "counter_lost": N_("a counter could not be read to the end: {reason}"),
}

_MEASURING: dict[str, str | Plural] = {
    "own_pages_sampled": N_(
        "pages in memory of the process tree, each counted once whoever else maps it; sampled from outside, a peak "
        "between two samples by the kernel's high-water mark"
    ),
    "cell_stopped": N_(
        "its process was stopped for {seconds:duration} (by a signal or a debugger): its times contain that"
    ),
    "threads_changed": N_(
        "torch had {begin} CPU threads when this began and {end} when it ended, not the {threads} that were set: the "
        "model, or something that it uses, changed that"
    ),
    "watch_gap": N_(
        "the process that measures stood still for {seconds:duration}: nothing was sampled meanwhile, and if the whole "
        "machine or container was paused, the times contain that"
    ),
    "memory_unread": N_(
        "several processes grew by up to {mib:,.0f} MiB for too short a time to be read: peak RAM may be that much "
        "higher"
    ),
    "pss_sampled": N_("sum of the proportional set size (PSS) of the process tree, sampled from outside"),
    "rss_sampled": N_(
        "sum of the resident set size (RSS, shared pages counted whole) of the process tree, sampled from outside"
    ),
    "gpu_memory_of_processes": N_("the driver's account of the cell's processes"),
    "gpu_memory_of_device": N_("the driver's account of the whole device, less what was in use before"),
    "unstable_median": Plural(
        "the median of {samples} samples is not known within {share:.0%}",
        "the median of {samples} samples in {rounds} rounds is not known within {share:.0%}",
        "rounds",
    ),
    "unstable_median_cold": Plural(
        "the median of {samples} samples is not known within {share:.0%}, and the warm-up did not become steady",
        "the median of {samples} samples in {rounds} rounds is not known within {share:.0%}, and the warm-up did not "
        "become steady",
        "rounds",
    ),
    "rounds_disagree": N_("the medians of {rounds} rounds lie between {low:+.0%} and {high:+.0%} of all samples'"),
    "time_allowed_samples": Plural("the time allowed {count} sample only", "the time allowed {count} samples only"),
    "batch_too_slow": N_(
        "a batch of {batch:,} images would take {seconds:duration}; measure.call_seconds is {allowed:g}"
    ),
    "batch_too_large": N_("a batch of {batch:,} images does not fit in memory"),
    "cpu_only_backend": N_("{backend} is measured on the CPU only"),
    "no_linear_layers": N_("the model has no linear layers to quantize"),
    "no_int8_engine": N_("this build of torch has no engine for int8"),
    "onnx_export_failed": N_("torch cannot export the model to ONNX: {reason}"),
    "package_missing": N_("{names} not installed: {command}"),
}

_CELL: dict[str, str | Plural] = {
    "no_locks": N_(
        "The file system of {folder} has no locks: the run is held by a file with this host and process. Start no "
        "second run there from a host whose clock differs by minutes."
    ),
    "single_value_per_channel": N_(
        "batch normalization got one image at a time, whose channels are single values at this size: raise "
        "train.batch_size or train.micro_batch to 2 or more, or take a larger image_size ({reason})"
    ),
    "time_limit": N_("not done after the study's time_limit of {seconds:,.6g} s"),
    "memory_limit": N_("used {used:,.0f} MiB of memory, above the study's memory_limit of {mib:,.0f} MiB"),
    "memory_limit_by_kernel": N_("ended by the kernel at the study's memory_limit of {mib:,.0f} MiB"),
    "out_of_memory": N_("out of memory"),
    "killed_by_kernel": N_("the kernel killed it because memory had run out"),
    "killed_while_short": N_(
        "its process was ended by SIGKILL, from outside or by the kernel: meanwhile that killed processes of this "
        "machine because memory had run out ({count})"
    ),
    "killed_by_signal": N_("its process was ended by {signal}"),
    "interrupted": N_("stopped by the user; run the same command again to resume"),
    "interrupted_by": N_("stopped by {signal}; run the same command again to resume"),
    "ended_from_outside": N_("its process was ended from outside by {signal}; run the same command again to repeat it"),
    "no_result": N_("its process ended without an error and left no result"),
    "broken_outcome": N_("its outcome cannot be used: {reason}"),
    "exit_code": N_("its process ended with code {code}"),
    "round_failed": N_("the round ended as {status:word}: {reason}"),
    "round_lost": N_("the round ended as {status:word}"),
    "broken_predictions": N_("its predictions cannot be used: {reason}"),
    "diverged": N_("{reason}; try a lower train.lr"),
    "exception": N_("{kind}: {text}"),
    "warmup_not_steady": Plural("not steady after {passes} pass", "not steady after {passes} passes", "passes"),
    "model_not_kept": N_("the weights were not kept: {reason}"),
    "model_not_stored": N_("the weights could not be stored: {reason}"),
    "models_missing": Plural(
        "keep_models: {count} cell that is done has no weights in the run folder ({names:and}); with --retry failed it "
        "is trained again",
        "keep_models: {count} cells that are done have no weights in the run folder ({names:and}); with --retry failed "
        "they are trained again",
    ),
    "profile_cut_short": N_("the inference profile was cut short: {reason}"),
    "failed_after_result": N_("after the result was written, {how}"),
    "failed_in_profile": N_("in the inference profile, after the result was written, {how}"),
    "not_isolated": N_("not isolated, not timed: it ran in the process of patchbench"),
}

MESSAGES: dict[str, str | Plural] = {
    **_DATA,
    **_FILES,
    **_ENERGY,
    **_MEASURING,
    **_CELL,
    "several": "{parts}",
    "and_more": N_("{count} more"),
    "verbatim": "{text}",
}
"""The English template of every code."""


def word(notice: Notice | str, translate: Translator = ENGLISH) -> str:
    """Return the notice as a sentence. A code that a newer version stored is shown as it is, with its values.

    A string is a text of the page itself, and is only translated.
    """
    if isinstance(notice, str):
        return translate(notice)
    template = _template(notice, translate)
    places = {name: _placed(value, translate) for name, value in notice.values.items()}
    if template is None or not _names(template) <= places.keys():
        stored = ", ".join(f"{name}: {_Places(translate).format_field(value, '')}" for name, value in places.items())
        return f"{notice.code} ({stored})" if stored else notice.code
    return _Places(translate).vformat(template, (), places)


def _template(notice: Notice, translate: Translator) -> str | None:
    is_cold = notice.code == "unstable_median" and notice.values.get("warm") == 0
    message = MESSAGES.get(f"{notice.code}_cold" if is_cold else notice.code)
    if isinstance(message, Plural):
        count = notice.values.get(message.number)
        return translate.ngettext(message.singular, message.plural, count if isinstance(count, int) else 2)
    return message and translate.gettext(message)


def _names(template: str) -> set[str]:
    return {name for _text, name, _format, _conversion in string.Formatter().parse(template) if name}


def _placed(value: Value, translate: Translator) -> str | int | float | list[str]:
    if isinstance(value, Notice):
        return word(value, translate)
    if isinstance(value, tuple):
        return [word(part, translate) for part in value]
    return visible(value) if isinstance(value, str) else value


class _Places(string.Formatter):
    """Fills a template. A space stands before the sign of percent, as everywhere on the page."""

    def __init__(self, translate: Translator) -> None:
        self.translate = translate

    def format_field(self, value: object, format_spec: str) -> str:
        """See `string.Formatter`; a word in a number's place stays as it is, and a number in a word's."""
        if isinstance(value, list):
            return self._joined(value, format_spec)
        if isinstance(value, str):
            return self.translate(value.replace("_", " ")) if format_spec == "word" else value
        if not isinstance(value, int | float) or format_spec in ("and", "word"):
            return str(value)
        try:
            text = duration(value) if format_spec == "duration" else format(value, format_spec)
        except OverflowError:  # an integer that no float holds
            return str(value)
        text = text.replace("_", "\N{NO-BREAK SPACE}")  # the format of other languages' thousands
        return text.replace("%", "\N{NO-BREAK SPACE}%")

    def _joined(self, parts: list[str], format_spec: str) -> str:
        if format_spec != "and" or len(parts) < 2:
            return "; ".join(parts)
        return self.translate("{first} and {last}").format(first=", ".join(parts[:-1]), last=parts[-1])
