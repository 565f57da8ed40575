package check

import (
	"github.com/goccy/go-yaml/ast"

	"github.com/mantle-iam/mantle/internal/tf"
)

// A manifest is one Kubernetes object.
type manifest struct {
	kind, name  string
	where       tf.Range
	annotations map[string]setting // of the object
	pod         map[string]setting // of its pods, where it makes some
	hostNetwork *setting
}

func (f *facts) readManifests() {
	for _, x := range f.files {
		if x.Kind != Manifest {
			continue
		}
		docs, ok := f.readYAML(x)
		if !ok {
			continue
		}
		for _, doc := range docs {
			kind := scalar(child(doc, "kind"))
			m := &manifest{kind: kind, name: scalar(child(child(doc, "metadata"), "name")), where: yamlPlace(x, doc)}
			m.annotations = annotations(x, doc)
			pod := doc
			switch kind {
			case "Pod":
			case "CronJob":
				pod = child(child(child(child(doc, "spec"), "jobTemplate"), "spec"), "template")
			default:
				pod = child(child(doc, "spec"), "template")
			}
			if pod != nil {
				m.pod = annotations(x, pod)
				if h := child(child(pod, "spec"), "hostNetwork"); h != nil && scalar(h) == "true" {
					m.hostNetwork = &setting{"hostNetwork", "true", yamlPlace(x, h)}
				}
			}
			f.manifests = append(f.manifests, m)
		}
	}
}

func annotations(x File, n ast.Node) map[string]setting {
	out := map[string]setting{}
	for _, p := range pairs(child(child(n, "metadata"), "annotations")) {
		out[keyOf(p)] = setting{keyOf(p), scalar(p.Value), yamlPlace(x, p.Key)}
	}
	return out
}
