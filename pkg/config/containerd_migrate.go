package config

import (
	"maps"
	"slices"
)

// oldPlugins maps old names of plugins to their names in version 3: the names of version 1 for
// which containerd 2 has a new form, and the names that containerd has changed since version 2.
var oldPlugins = map[string]string{
	"cri": criServer, "cgroups": "io.containerd.monitor.task.v1.cgroups", "scheduler": "io.containerd.gc.v1.scheduler",
	"bolt": "io.containerd.metadata.v1.bolt", "task": "io.containerd.runtime.v2.task", "opt": "io.containerd.internal.v1.opt",
	"restart": "io.containerd.monitor.container.v1.restart", "native": "io.containerd.snapshotter.v1.native",
	"overlayfs": "io.containerd.snapshotter.v1.overlayfs",

	"io.containerd.internal.v1.restart": "io.containerd.monitor.container.v1.restart",
	"io.containerd.monitor.v1.cgroups":  "io.containerd.monitor.task.v1.cgroups",
}

// newest is the newest version of the configuration that containerd supports. It differs from
// version 3 only in names of plugins, and version 3 accepts those names too.
const newest = 4

// toVersion3 translates a patch in place, as containerd translates a whole configuration: see its
// migrations, https://github.com/containerd/containerd/blob/main/docs/cri/config.md.
func toVersion3(patch table) error {
	if version, set := patch["version"]; set {
		number, ok := version.(int64)
		if !ok || number < 1 || number > newest {
			return errVersion
		}
		delete(patch, "version")
	}
	plugins, ok := patch["plugins"].(table)
	if !ok {
		return nil // the check of the fields reports another type
	}
	for _, old := range slices.Sorted(maps.Keys(oldPlugins)) {
		if value, set := plugins[old]; set {
			delete(plugins, old)
			fill(plugins, oldPlugins[old], value)
		}
	}
	if cri, ok := plugins[criServer].(table); ok {
		delete(plugins, criServer)
		for _, part := range splitCRI(cri) {
			fill(plugins, part.plugin, part.config)
		}
	}
	return nil
}

// fill sets a key that is not set. If both the old and the new value are tables, it adds the
// missing keys to the old one. So fields with new names take precedence.
func fill(into table, key string, value any) {
	old, isTable := into[key].(table)
	more, both := value.(table)
	if !isTable || !both {
		if _, set := into[key]; !set {
			into[key] = value
		}
		return
	}
	for k, v := range more {
		fill(old, k, v)
	}
}

type criPart struct {
	plugin string
	config table
}

// The fields of containerd 1's CRI plugin that have moved to the plugin for images, or have stayed.
var (
	imageFields = []string{
		"registry", "image_decryption", "max_concurrent_downloads", "image_pull_progress_timeout", "image_pull_with_sync_fs",
	}
	imageContainerdFields = []string{"snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers"}
	serverFields          = []string{
		"disable_tcp_service", "stream_server_address", "stream_server_port", "stream_idle_timeout", "enable_tls_streaming",
		"x509_key_pair_streaming",
	}
)

// splitCRI assigns each field of containerd 1's CRI plugin to the plugin that has it in version 3.
func splitCRI(cri table) []criPart {
	server, images, runtime := table{}, table{}, table{}
	for key, value := range cri {
		switch inner, isTable := value.(table); {
		case key == "enable_cdi": // CDI is always enabled
		case key == "sandbox_image":
			images["pinned_images"] = table{"sandbox": value}
		case key == "containerd" && isTable:
			splitContainerd(inner, images, runtime)
		case key == "cni" && isTable:
			runtime["cni"] = newCNI(inner)
		case slices.Contains(imageFields, key):
			images[key] = value
		case key == "stats_collect_period" && kindOf(value) == "an integer":
			images[key] = value // since containerd 2.2, the runtime has a field of this name too, a string
		case slices.Contains(serverFields, key):
			server[key] = value
		default:
			runtime[key] = value
		}
	}
	var parts []criPart
	for _, part := range []criPart{{criServer, server}, {criImages, images}, {criRuntime, runtime}} {
		if len(part.config) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

func splitContainerd(containerd, images, runtime table) {
	rest := table{}
	for key, value := range containerd {
		if slices.Contains(imageContainerdFields, key) {
			images[key] = value
		} else {
			rest[key] = value
		}
	}
	runtimes, _ := rest["runtimes"].(table)
	for _, value := range runtimes {
		if r, ok := value.(table); ok {
			rename(r, "sandbox_mode", "sandboxer")
		}
	}
	if len(rest) > 0 {
		runtime["containerd"] = rest
	}
}

func newCNI(cni table) table {
	if dir, ok := cni["bin_dir"].(string); ok && cni["bin_dirs"] == nil {
		cni["bin_dirs"] = []any{dir}
		delete(cni, "bin_dir")
	}
	return cni
}

func rename(t table, from, to string) {
	if value, set := t[from]; set && t[to] == nil {
		t[to] = value
		delete(t, from)
	}
}
