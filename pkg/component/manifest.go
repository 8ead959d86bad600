package component

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// Registry is the prefix of the names of upstream's images, also of the preloaded ones.
const Registry = "registry.k8s.io/"

// OwnRegistry is the prefix of the names of mkube's own preloaded images. There is no registry
// with this name: no image of it is ever pulled.
const OwnRegistry = "mkube.dev/"

// StaticPod returns a manifest in the kubelet's folder, rendered from a template (see Render), with
// the user's volumes for the component on this node. The file has the component's name.
func StaticPod(c *cluster.Cluster, n provider.Node, name, manifest string, values any) (provider.File, error) {
	volumes := c.Config.PodVolumes(name, c.Spec(n))
	data, err := render(name, manifest, values, func(args []string) []HostFile { return without(PKIFiles(args), volumes) })
	if err != nil {
		return provider.File{}, err
	}
	data, err = withVolumes(data, volumes)
	// The manifest contains no secrets: they are in other files. But only root needs to read the
	// flags of the control plane.
	return provider.File{Path: names.ManifestDir + "/" + name + ".yaml", Data: data, Mode: 0o600}, err
}

// Render renders a template. In it, {{quote .X}} writes any value as JSON, and {{base64 .X}} a
// []byte in base64, as in fields of Kubernetes' objects that contain bytes. {{pkiFiles .X}} calls
// PKIFiles.
func Render(name, text string, values any) ([]byte, error) {
	return render(name, text, values, PKIFiles)
}

func render(name, text string, values any, pkiFiles func(args []string) []HostFile) ([]byte, error) {
	funcs := template.FuncMap{"quote": quote, "base64": base64.StdEncoding.EncodeToString, "pkiFiles": pkiFiles}
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

// quote returns a value as JSON on one line, which is also valid YAML.
func quote(v any) (string, error) {
	data, err := yaml.Marshal(v)
	if err != nil {
		return "", err
	}
	data, err = yaml.YAMLToJSON(data)
	return string(data), err
}
