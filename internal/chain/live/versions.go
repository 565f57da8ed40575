package live

import (
	"debug/buildinfo"
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// SDK is an AWS SDK that was found in a program or its files.
type SDK struct {
	Name    string // "aws-sdk-go", "aws-sdk-go-v2", "botocore", "aws-sdk-js", "aws-sdk-js-v3"
	Version string // without v
	Where   string
}

// SDKs looks for AWS SDKs: in the program itself if it was built with Go, and
// in the usual folders of Python and Node. It finds what is there, which need
// not be what is used, and never fails: what cannot be read is not found.
func (w *World) SDKs(dirs ...string) (out []SDK) {
	if w.exe != "" {
		if info, err := buildinfo.ReadFile(w.exe); err == nil {
			for _, m := range info.Deps {
				switch m.Path {
				case "github.com/aws/aws-sdk-go":
					out = append(out, SDK{"aws-sdk-go", strings.TrimPrefix(m.Version, "v"), "the program"})
				case "github.com/aws/aws-sdk-go-v2/config":
					out = append(out, SDK{"aws-sdk-go-v2", strings.TrimPrefix(m.Version, "v"), "the program"})
				}
			}
		}
	}
	// A root stays inside, wherever links in it lead.
	root, err := os.OpenRoot(w.root)
	if err != nil {
		return out
	}
	defer root.Close()
	files := root.FS()
	for _, lib := range []string{"usr/lib", "usr/local/lib"} {
		for _, sub := range []string{"site-packages", "dist-packages"} {
			found, _ := fs.Glob(files, path.Join(lib, "python3*", sub, "botocore-*.dist-info"))
			for _, f := range found {
				version := strings.TrimSuffix(strings.TrimPrefix(path.Base(f), "botocore-"), ".dist-info")
				out = append(out, SDK{"botocore", version, "/" + path.Dir(f)})
			}
		}
	}
	for _, dir := range slices.Concat(dirs, []string{"/app", "/usr/src/app", "/"}) {
		for name, pkg := range map[string]string{"aws-sdk-js": "aws-sdk", "aws-sdk-js-v3": "@aws-sdk/client-sts"} {
			f := path.Join(strings.TrimPrefix(dir, "/"), "node_modules", pkg, "package.json")
			data, err := fs.ReadFile(files, f)
			var p struct{ Version string }
			if err == nil && json.Unmarshal(data, &p) == nil && p.Version != "" {
				out = append(out, SDK{name, p.Version, "/" + path.Dir(f)})
			}
		}
	}
	return out
}
