"""Writes loss_kat.h: the known answers for LVS, OCA, ORI and the total as a C table.

    python3 gen_loss_kat.py <spec>/kat/losses.json > loss_kat.h
"""
import json
import sys


def flat(x):
    return [v for y in x for v in flat(y)] if isinstance(x, list) else [x]


def shape(x):
    return [len(x)] + shape(x[0]) if isinstance(x, list) else []


def array(name, x):
    return "static const double %s[] = {%s};" % (name, ", ".join("%.17g" % v for v in flat(x)))


ROLES = {"F": "visual", "a": "audio", "Rp": "foreground", "rn": "background", "S": "similarity", "M": "maps"}
rows = []
print("/* Written by gen_loss_kat.py from the known answers of the specification; do not edit. */")


def emit(case, name, inputs, grads, options, values, h, w, K):
    fields = [".name = \"%s\"" % name, ".options = {sizeof(oassl_loss_options), %s}" % ", ".join(options)]
    first = inputs.get("F") or inputs.get("S") or inputs.get("M")
    B, C = (len(first), shape(first)[1] if "F" in inputs else 0)
    if "M" in inputs:
        B = 1
    fields.append(".shape = {sizeof(oassl_loss_shape), OASSL_DTYPE_F64, %d, %d, %d, %d, %d}" % (B, C, h, w, K))
    for key, role in ROLES.items():
        if key in inputs:
            print(array("%s_%s" % (name, role), inputs[key]))
            fields.append(".%s = %s_%s" % (role, name, role))
        if key in grads:
            print(array("%s_d_%s" % (name, role), grads[key]))
            fields.append(".d_%s = %s_d_%s" % (role, name, role))
    for key, value in values.items():
        fields.append(".%s = %.17g" % (key, value))
    rows.append("    {%s}," % ",\n     ".join(fields))


for c in json.load(open(sys.argv[1]))["cases"]:
    n, i, o, p = c["name"], c["inputs"], c["outputs"], c["params"]
    g = {k[5:]: v for k, v in o.items() if k.startswith("grad_")}
    if n.startswith("lvs"):
        opt = [".kind = OASSL_LOSS_LVS" + ("_MAPS" if "S" in i else ""),
               ".lvs_exclude_diagonal = %d" % (p.get("diag") == "exclude")]
        P = shape(i.get("S") or i["F"])[-1]
        emit(c, n, i, g, opt, {"total": o["loss"]}, 1, P, 0)
    elif n.startswith("oca"):
        opt = [".kind = OASSL_LOSS_OCA", ".oca_temperature = %g" % p["T"],
               ".oca_rule = OASSL_OCA_" + p["rule"].upper()]
        emit(c, n, i, g, opt, {"total": o["loss"], "frg": o["L_frg"], "bkg": o["L_bkg"]}, 1, shape(i["F"])[-1],
             shape(i["Rp"])[1])
    elif n.startswith("ori"):
        for grad in ("unrolled", "envelope"):
            if "grad_M_" + grad not in o:
                continue
            opt = [".kind = OASSL_LOSS_ORI_MAPS", ".ori_cost = OASSL_ORI_" + p["interp"].upper(),
                   ".ori_stop = %g" % p["thresh"], ".ori_gradient = OASSL_ORI_" + grad.upper()]
            emit(c, n + "_" + grad, {"M": i["M"]}, {"M": o["grad_M_" + grad]}, opt, {"total": o["loss"]}, i["h"], i["w"],
                 len(i["M"]) - 1)
    elif n == "oassl_total":
        for red in ("sum", "mean"):
            opt = [".preset = OASSL_LOSS_PRESET_EQ8", ".lambda_base = 1", ".lambda_oca = 1", ".lambda_ori = 0.1",
                   ".ori_reduction = OASSL_ORI_BATCH_" + red.upper()]
            grads = {k: o["grad_%s_batch_sum" % k] for k in ("F", "a", "Rp", "rn")} if red == "sum" else {}
            data = {k: i[k] for k in ("F", "a", "Rp", "rn")}
            emit(c, n + "_" + red, data, grads, opt, {"total": o["loss_batch_" + red]}, p["h"], p["w"],
                 shape(i["Rp"])[1])
print("""
typedef struct loss_kat {
    const char *name;
    oassl_loss_options options;
    oassl_loss_shape shape;
    const double *visual, *audio, *foreground, *background, *similarity, *maps;
    const double *d_visual, *d_audio, *d_foreground, *d_background, *d_similarity, *d_maps;
    double total, frg, bkg;
} loss_kat;

static const loss_kat loss_kats[] = {""")
print("\n".join(rows))
print("};")
