package component

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Registry is where upstream's images are named, and the preloaded ones too.
const Registry = "registry.k8s.io/"

// OwnRegistry is where mkube's own preloaded images are named. There is no such
// registry, and none is asked: no image of it is ever pulled.
const OwnRegistry = "mkube.dev/"

// StaticPod fills in a manifest's template and puts it in the kubelet's folder
// under the component's name. In the template, {{quote .X}} writes any string as a
// YAML scalar.
func StaticPod(name, manifest string, values any) (provider.File, error) {
	data, err := Render(name, manifest, values)
	if err != nil {
		return provider.File{}, err
	}
	// Secrets are in files of their own; yet what a control plane is told is nobody
	// else's business.
	return provider.File{Path: names.ManifestDir + "/" + name + ".yaml", Data: data, Mode: 0o600}, nil
}

// Render fills in a template. In it, {{quote .X}} writes any value as JSON, and {{base64 .X}}
// a []byte as the fields of Kubernetes' objects have it that hold bytes.
func Render(name, text string, values any) ([]byte, error) {
	funcs := template.FuncMap{"quote": quote, "base64": base64.StdEncoding.EncodeToString}
	t, err := template.New(name).Option("missingkey=error").Funcs(funcs).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading the template of %s: %w", name, err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("filling in the template of %s: %w", name, err)
	}
	return out.Bytes(), nil
}

// quote writes a value as JSON on one line, which is YAML too.
func quote(v any) (string, error) {
	data, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}
	data, err = yaml.YAMLToJSON(data)
	return string(data), err
}
