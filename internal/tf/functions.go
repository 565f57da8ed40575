package tf

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions is Terraform's table of functions, but for those whose result
// depends on the moment (timestamp, uuid, bcrypt, plantimestamp, rsadecrypt)
// and for YAML: they are not known. See "Built-in Functions" of the Terraform
// language.
func (ev *evaluator) functions(string) map[string]function.Function {
	f := map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc, "log": stdlib.LogFunc,
		"max": stdlib.MaxFunc, "min": stdlib.MinFunc, "parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,

		"chomp": stdlib.ChompFunc, "format": stdlib.FormatFunc, "formatlist": stdlib.FormatListFunc, "indent": stdlib.IndentFunc,
		"join": stdlib.JoinFunc, "lower": stdlib.LowerFunc, "regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc,
		"replace": replaceFunction, "split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc, "trimsuffix": stdlib.TrimSuffixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "upper": stdlib.UpperFunc,
		"startswith":  onStrings(func(s, prefix string) bool { return strings.HasPrefix(s, prefix) }),
		"endswith":    onStrings(func(s, suffix string) bool { return strings.HasSuffix(s, suffix) }),
		"strcontains": onStrings(strings.Contains),

		"chunklist": stdlib.ChunklistFunc, "coalesce": coalesceFunction, "coalescelist": stdlib.CoalesceListFunc, "compact": stdlib.CompactFunc,
		"concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc, "distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc,
		"flatten": stdlib.FlattenFunc, "keys": stdlib.KeysFunc, "length": lengthFunction, "merge": stdlib.MergeFunc,
		"range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc, "setintersection": stdlib.SetIntersectionFunc,
		"setproduct": stdlib.SetProductFunc, "setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc,
		"slice": stdlib.SliceFunc, "sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
		"index": indexFunction, "lookup": lookupFunction, "one": oneFunction, "sum": sumFunction,
		"alltrue": truthFunction(true), "anytrue": truthFunction(false), "matchkeys": matchKeysFunction, "transpose": transposeFunction,

		"csvdecode": stdlib.CSVDecodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "jsonencode": stdlib.JSONEncodeFunc,
		"base64encode": onString(func(s string) (string, error) { return base64.StdEncoding.EncodeToString([]byte(s)), nil }),
		"base64decode": onString(func(s string) (string, error) {
			b, err := base64.StdEncoding.DecodeString(s)
			if err == nil && !utf8.Valid(b) {
				err = errors.New("the decoded bytes are not text in UTF-8")
			}
			return string(b), err
		}),
		"urlencode":  onString(func(s string) (string, error) { return url.QueryEscape(s), nil }),
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,

		"md5": digest(md5.New, hex.EncodeToString), "sha1": digest(sha1.New, hex.EncodeToString),
		"sha256": digest(sha256.New, hex.EncodeToString), "sha512": digest(sha512.New, hex.EncodeToString),
		"base64sha256": digest(sha256.New, base64.StdEncoding.EncodeToString), "base64sha512": digest(sha512.New, base64.StdEncoding.EncodeToString),

		"abspath":  onString(func(s string) (string, error) { return filepath.Abs(filepath.Join(ev.o.Dir, s)) }),
		"basename": onString(func(s string) (string, error) { return path.Base(s), nil }),
		"dirname":  onString(func(s string) (string, error) { return path.Dir(s), nil }),

		"cidrhost": cidrHostFunction, "cidrnetmask": cidrNetmaskFunction, "cidrsubnet": cidrSubnetFunction, "cidrsubnets": cidrSubnetsFunction,

		"tobool": stdlib.MakeToFunc(cty.Bool), "tonumber": stdlib.MakeToFunc(cty.Number), "tostring": stdlib.MakeToFunc(cty.String),
		"tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), "toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"try":   tryfunc.TryFunc, "can": tryfunc.CanFunc,
		"sensitive": sameFunction, "nonsensitive": sameFunction, "ephemeralasnull": sameFunction,

		"file": ev.onFile(func(b []byte) (string, error) {
			if !utf8.Valid(b) {
				return "", errors.New("the file is not text in UTF-8")
			}
			return string(b), nil
		}),
		"filebase64":       ev.onFile(func(b []byte) (string, error) { return base64.StdEncoding.EncodeToString(b), nil }),
		"filemd5":          ev.fileDigest(md5.New, hex.EncodeToString),
		"filesha1":         ev.fileDigest(sha1.New, hex.EncodeToString),
		"filesha256":       ev.fileDigest(sha256.New, hex.EncodeToString),
		"filesha512":       ev.fileDigest(sha512.New, hex.EncodeToString),
		"filebase64sha256": ev.fileDigest(sha256.New, base64.StdEncoding.EncodeToString),
		"filebase64sha512": ev.fileDigest(sha512.New, base64.StdEncoding.EncodeToString),
		"fileexists":       ev.fileExists(),
		"fileset":          ev.fileSet(),
		"templatefile":     ev.templateFile(),
	}
	for name, fn := range f {
		f["core::"+name] = fn
	}
	return f
}

// inside is a path as Terraform means it: from the folder of the root module.
func (ev *evaluator) inside(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(ev.o.Dir, p)
}

// readFile reads a file that the configuration names.
func (ev *evaluator) readFile(p string) ([]byte, string, error) {
	name := ev.inside(p)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, name, fmt.Errorf("there is no file %s", name)
	}
	return b, name, err
}

func (ev *evaluator) onFile(f func([]byte) (string, error)) function.Function {
	return onString(func(p string) (string, error) {
		b, _, err := ev.readFile(p)
		if err != nil {
			return "", err
		}
		return f(b)
	})
}

func (ev *evaluator) fileDigest(h func() hash.Hash, encode func([]byte) string) function.Function {
	return ev.onFile(func(b []byte) (string, error) { s := h(); s.Write(b); return encode(s.Sum(nil)), nil })
}

func (ev *evaluator) fileExists() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			info, err := os.Stat(ev.inside(args[0].AsString()))
			return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
		},
	})
}

// fileSet knows the patterns of path.Match, and ** as a folder of any depth.
func (ev *evaluator) fileSet() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "pattern", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			pattern := args[1].AsString()
			if strings.Contains(pattern, "**") || strings.Contains(pattern, "{") {
				return cty.UnknownVal(cty.Set(cty.String)), nil
			}
			root := ev.inside(args[0].AsString())
			found, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(1, "%q is no pattern", pattern)
			}
			var out []cty.Value
			for _, f := range found {
				if info, err := os.Stat(f); err != nil || !info.Mode().IsRegular() {
					continue
				}
				if rel, err := filepath.Rel(root, f); err == nil {
					out = append(out, cty.StringVal(filepath.ToSlash(rel)))
				}
			}
			if len(out) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			return cty.SetVal(out), nil
		},
	})
}

func (ev *evaluator) templateFile() function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		if !args[0].IsKnown() || !args[1].IsKnown() {
			return cty.DynamicVal, nil
		}
		b, name, err := ev.readFile(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		if deep(b) {
			return cty.NilVal, function.NewArgErrorf(0, "the template is nested more than %d deep", maxDepth)
		}
		expr, diags := hclsyntax.ParseTemplate(b, name, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(0, "%s", sentence(diags[0]))
		}
		t := args[1].Type()
		if !t.IsObjectType() && !t.IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "the variables of a template are a map")
		}
		ctx := &hcl.EvalContext{Functions: map[string]function.Function{}, Variables: args[1].AsValueMap()}
		for name, f := range ev.base.Functions {
			if !strings.HasPrefix(name, "template") {
				ctx.Functions[name] = f
			}
		}
		v, diags := expr.Value(ctx)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(0, "%s", sentence(diags[0]))
		}
		return v, nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
		Type: func(args []cty.Value) (cty.Type, error) {
			v, err := render(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return render(args) },
	})
}

func onString(f func(string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			s, err := f(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		},
	})
}

func onStrings(f func(a, b string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func digest(h func() hash.Hash, encode func([]byte) string) function.Function {
	return onString(func(s string) (string, error) { d := h(); d.Write([]byte(s)); return encode(d.Sum(nil)), nil })
}

// sameFunction gives back what it was given: mantle prints no values that
// Terraform would hide.
var sameFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true}},
	Type:   func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return args[0], nil },
})

// replaceFunction takes /…/ for a regular expression.
var replaceFunction = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: "substr", Type: cty.String}, {Name: "replace", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if s := args[1].AsString(); len(s) > 1 && s[0] == '/' && s[len(s)-1] == '/' {
			return stdlib.RegexReplace(args[0], cty.StringVal(s[1:len(s)-1]), args[2])
		}
		return stdlib.Replace(args[0], args[1], args[2])
	},
})

// coalesceFunction skips empty strings as well as null.
var coalesceFunction = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "vals", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, a := range args {
			types[i] = a.Type()
		}
		t, _ := convert.UnifyUnsafe(types)
		if t == cty.NilType {
			return cty.NilType, errors.New("all arguments must have the same type")
		}
		return t, nil
	},
	Impl: func(args []cty.Value, t cty.Type) (cty.Value, error) {
		for _, a := range args {
			v, err := convert.Convert(a, t)
			switch {
			case err != nil:
				return cty.NilVal, err
			case !v.IsKnown():
				return cty.UnknownVal(t), nil
			case v.IsNull() || v.Type() == cty.String && v.AsString() == "":
				continue
			}
			return v, nil
		}
		return cty.NilVal, errors.New("no argument is there that is neither null nor empty")
	},
})
