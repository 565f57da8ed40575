package config

import (
	"errors"
	"fmt"
	"io/fs"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// fileMark marks a string that file() read, with its path, so that an error
// inside it can be reported where it stands.
type fileMark string

// functionDocs lists the functions of the language for the reference.
var functionDocs = [...]struct{ call, doc string }{
	{"file(path)", "What the file holds, as text. A relative path starts from the directory of the configuration."},
	{"jsonencode(value)", "The value as JSON: a policy can be written as HCL."},
	{`env("NAME", default)`, "The environment variable. Without a default it must be set."},
}

func (d *decoder) functions() map[string]function.Function {
	return map[string]function.Function{
		"file":       d.fileFunction(),
		"jsonencode": stdlib.JSONEncodeFunc,
		"env":        d.envFunction(),
	}
}

func (d *decoder) fileFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p := d.path(args[0].AsString())
			data, err := d.src.ReadFile(p)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%s. Paths start from the directory of the configuration", reading(p, err))
			}
			if !utf8.Valid(data) {
				return cty.NilVal, function.NewArgErrorf(0, "%s is not text in UTF-8. Put binary files into a bucket with its folder argument", p)
			}
			d.files[p] = data
			v := cty.StringVal(string(data))
			d.texts[p] = v.AsString()
			return v.Mark(fileMark(p)), nil
		},
	})
}

func (d *decoder) envFunction() function.Function {
	return function.New(&function.Spec{
		Params:   []function.Parameter{{Name: "name", Type: cty.String}},
		VarParam: &function.Parameter{Name: "default", Type: cty.String},
		Type:     function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name := args[0].AsString()
			if len(args) > 2 {
				return cty.NilVal, function.NewArgErrorf(2, "env takes a name and at most one default")
			}
			if d.src.LookupEnv != nil {
				if s, ok := d.src.LookupEnv(name); ok {
					return cty.StringVal(s), nil
				}
			}
			switch {
			case len(args) == 2:
				return args[1], nil
			case d.src.LookupEnv == nil:
				return cty.NilVal, function.NewArgErrorf(0, "the environment may not be read here. Give a default: env(%q, \"…\")", name)
			}
			return cty.NilVal, function.NewArgErrorf(0, "environment variable %s is not set. Set it or give a default: env(%[1]q, \"…\")", name)
		},
	})
}

// reading says why a file could not be read without naming it twice.
func reading(path string, err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "there is no file " + path
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Sprintf("read %s: %v", path, err)
}
