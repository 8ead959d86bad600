package config

import (
	"cmp"
	_ "embed"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/suggest"
)

var flagName = regexp.MustCompile(`^[A-Za-z0-9][-A-Za-z0-9_.]*$`)

func (m *mistakes) extraArgs(c Cluster) {
	known := append(Components(), Addons()...)
	for _, component := range slices.Sorted(maps.Keys(c.ExtraArgs)) {
		args := c.ExtraArgs[component]
		parent := keyPath("extraArgs", component)
		if !slices.Contains(known, component) {
			m.addf(parent, "is not a component%s", didYouMeanOr(component, known, "the components are "))
		}
		for _, flag := range slices.Sorted(maps.Keys(args)) {
			at := keyPath(parent, flag)
			named := m.flag(at, flag)
			if m.printable(at, args[flag], "") && named {
				m.arg(at, component, flag, args[flag], c)
			}
		}
	}
}

func (m *mistakes) flag(path, flag string) bool {
	bare := strings.TrimLeft(flag, "-")
	switch {
	case strings.Contains(flag, "_") && flagName.MatchString(bare):
		m.addf(path, "must be written with hyphens: %s", quote(strings.ReplaceAll(bare, "_", "-")))
	case flagName.MatchString(flag):
		return true
	case flagName.MatchString(bare):
		m.addf(path, "must be written without the dashes: %s", quote(bare))
	default:
		m.addf(path, `is not the name of a flag: write a name such as "v", and the value separately`)
	}
	return false
}

// arg checks a flag of a component and its value.
func (m *mistakes) arg(at, component, flag, value string, c Cluster) {
	switch why := c.refusedBy(component, flag, value); {
	case why != "":
		m.addf(at, "cannot be set: %s", why)
	case component == names.KubeProxy:
		m.kubeProxyFlag(at, flag, value, c)
	case c.defaultRelease() && !m.flagValue(at, component, flag, value):
	case slices.Contains(StaticPods(), component):
		m.argPath(at, component, flag, value, c)
	}
}

// defaultRelease reports whether all nodes have the Kubernetes release that mkube builds by
// default. The flags and fields of other releases are not known.
func (c Cluster) defaultRelease() bool {
	return !slices.ContainsFunc(c.Nodes, func(n Node) bool { return n.Image != "" })
}

//go:embed flags.toml
var flagsOfRelease string

var knownFlags = sync.OnceValues(func() (table, error) { return parseTOML(flagsOfRelease) })

// flagValue checks that a component of the default release has a flag, and the type of its value.
func (m *mistakes) flagValue(at, component, flag, value string) bool {
	all, err := knownFlags()
	if err != nil {
		m.addf(at, "cannot be compared with the flags of %s: %v", component, err)
		return false
	}
	flags := subtable(all, component)
	kind, known := flags[flag].(string)
	if len(flags) > 0 && !known {
		m.addf(at, "is not a flag of %s%s", component, cmp.Or(suggest.DidYouMean(flag, slices.Sorted(maps.Keys(flags))), ": remove it"))
		return false
	}
	if wanted := wantedValue(kind, value); wanted != "" {
		m.addf(at, "must be %s, not %s", wanted, quote(value))
		return false
	}
	return true
}

// wantedValue describes the values of a type of flags.toml if the value is not one of them.
func wantedValue(kind, value string) string {
	var err error
	var wanted string
	switch kind {
	case "bool":
		wanted = `"true" or "false"`
		_, err = strconv.ParseBool(value)
	case "int":
		wanted = "a whole number"
		_, err = strconv.ParseInt(value, 0, 64)
	case "float":
		wanted = "a number"
		_, err = strconv.ParseFloat(value, 64)
	case "duration":
		wanted = `a duration such as "30s"`
		_, err = time.ParseDuration(value)
	}
	if err != nil {
		return wanted
	}
	return ""
}

// inputFlag matches the names of flags whose value is a file that the component reads.
var inputFlag = regexp.MustCompile(`(file|config|manifest|certificate|certificate-authority|client-key)$`)

// argPath checks that the pod of a component has the file that a flag names, on all its nodes.
func (m *mistakes) argPath(at, component, flag, value string, c Cluster) {
	if !inputFlag.MatchString(flag) || flag == "runtime-config" || value == "" {
		return
	}
	if component == names.KubeAPIServer && AuthenticationFlag(flag) {
		return // see authentication
	}
	if !path.IsAbs(value) {
		m.addf(at, "must be an absolute path in the pod of %s, not %s: extraFiles.%[1]s brings a file there", component, quote(value))
		return
	}
	var missing []string
	nodes := c.podNodes(component)
	for _, i := range nodes {
		if !c.inPod(component, path.Clean(value), c.Nodes[i]) {
			missing = append(missing, itemPath("nodes", i))
		}
	}
	if len(missing) == 0 {
		return
	}
	on := ""
	if len(missing) < len(nodes) {
		on = " on " + strings.Join(missing, ", ")
	}
	m.addf(at, "names %s, which the pod of %s does not have%s: list the file in extraFiles.%[2]s, or mount it with extraMounts", quote(value), component, on)
}
