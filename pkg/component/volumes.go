package component

import (
	"bytes"
	"errors"

	"github.com/mkube/mkube/pkg/cluster"
	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
)

const (
	mountTemplate = `{{range .}}    - name: {{.Name}}
      mountPath: {{quote .MountPath}}
{{- if .ReadOnly}}
      readOnly: true
{{- end}}
{{end}}`
	volumeTemplate = `{{range .}}  - name: {{.Name}}
    hostPath:
      path: {{quote .HostPath}}
      type: {{quote .PathType}}
{{end}}`
)

// withVolumes returns the manifest of a static pod with more volumes, each with its mount in the
// only container. The manifest is text that ends with the volumes, and that stays as it is: it may
// have comments for those who read it on the node.
func withVolumes(manifest []byte, volumes []config.ExtraVolume) ([]byte, error) {
	if len(volumes) == 0 {
		return manifest, nil
	}
	mounts, err := Render("mounts", mountTemplate, volumes)
	if err != nil {
		return nil, err
	}
	added, err := Render("volumes", volumeTemplate, volumes)
	if err != nil {
		return nil, err
	}
	before, after, found := bytes.Cut(manifest, []byte("\n  volumes:\n"))
	if !found {
		return nil, errors.New("the manifest has no volumes")
	}
	return bytes.Join([][]byte{before, []byte("\n"), mounts, []byte("  volumes:\n"), bytes.TrimRight(after, "\n"), []byte("\n"), added}, nil), nil
}

// extraFiles returns the user's files for a component on a node. Only root can read them: they may
// contain keys.
func extraFiles(c *cluster.Cluster, n provider.Node, name string) []provider.File {
	var list []provider.File
	for _, f := range c.Config.PodFiles(name, n.Role()) {
		if f.Content != nil {
			list = append(list, provider.File{Path: f.Path, Data: []byte(*f.Content), Mode: 0o600})
		}
	}
	return list
}
