package config

import (
	_ "embed"
	"errors"
	"slices"
	"strings"
	"sync"
)

// The plugins of containerd that contain the configuration of the CRI. containerd 1 has all of it
// in criServer. containerd 2 divides it into the parts for the server, images and containers.
const (
	criServer  = "io.containerd.grpc.v1.cri"
	criImages  = "io.containerd.cri.v1.images"
	criRuntime = "io.containerd.cri.v1.runtime"
)

// containerdFixed are the fields on which a node relies.
var containerdFixed = []fixedField{
	{[]string{"root"}, "the preloaded images are in containerd's own folder"},
	{[]string{"grpc", "address"}, "the kubelet uses containerd's own socket"},
	{[]string{"plugins", "io.containerd.server.v1.grpc", "address"}, "the kubelet uses containerd's own socket"},
}

//go:embed containerd.toml
var containerdFields string

var containerdSchema = sync.OnceValues(func() (table, error) { return parseTOML(containerdFields) })

// ContainerdPatch parses one of a cluster's containerd patches. It returns a patch of version 3,
// which is the version on nodes, and translates the fields of versions 1 and 2.
func ContainerdPatch(text string) (map[string]any, error) {
	patch, err := parseTOML(text)
	if err != nil {
		return nil, err
	}
	if err := toVersion3(patch); err != nil {
		return nil, err
	}
	return patch, nil
}

func (m *mistakes) containerdConfigPatches(patches []string) {
	var mirrors, configPath string
	for i, patch := range patches {
		path := itemPath("containerdConfigPatches", i)
		if problem := tomlProblem(patch); problem != "" {
			m.addf(path, "is not TOML: %s", problem)
			continue
		}
		if !m.printable(path, patch, "\r\n\t") {
			continue
		}
		read, err := ContainerdPatch(patch)
		if err != nil {
			m.addf(path, "%v", err)
			continue
		}
		m.containerdPatch(path, patch, read)
		registry := Registry(read)
		if registry["mirrors"] != nil {
			mirrors = path
		}
		if value, ok := registry["config_path"].(string); ok && value != "" {
			configPath = path
		}
	}
	if mirrors != "" && configPath != "" {
		m.addf(mirrors, "sets registry.mirrors, and %s sets registry.config_path: containerd refuses to start with both; write the mirrors into config_path's folder, as HOST/hosts.toml", configPath)
	}
}

// Registry returns the registry table of a patch, nil if there is none.
func Registry(patch map[string]any) map[string]any {
	return subtable(patch, "plugins", criImages, "registry")
}

// containerdPatch reports what containerd would ignore or refuse, and changes of fields on which
// the node relies.
func (m *mistakes) containerdPatch(path, text string, patch table) {
	schema, err := containerdSchema()
	if err != nil {
		m.addf(path, "cannot be compared with containerd's fields: %v", err)
		return
	}
	c := &fieldCheck{program: "containerd", mapping: "a table", text: text, note: func(problem string) { m.addf(path, "%s", problem) }}
	c.table("", patch, schema)
	c.fixed(patch, containerdFixed)
	for _, list := range []string{"disabled_plugins", "required_plugins"} {
		c.plugins(list, patch[list])
	}
}

// plugins checks a list of plugin names.
func (c *fieldCheck) plugins(list string, value any) {
	names, _ := value.([]any) // table reports another type
	for _, v := range names {
		name, _ := v.(string)
		switch {
		case !strings.Contains(name, "."):
			c.report(list, "%s must have full names such as io.containerd.nri.v1.nri, not %s", list, quote(name))
		case list == "disabled_plugins" && slices.Contains([]string{criServer, criImages, criRuntime}, name):
			c.report(list, "plugin %s cannot be disabled: the kubelet needs it", name)
		}
	}
}

var errVersion = errors.New("has a version that containerd 2 does not read: remove version, or set it to 2 or 3")
