package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/provider"
	"github.com/mkube/mkube/pkg/provider/external"
	"github.com/mkube/mkube/pkg/provider/vagrant"
	"github.com/mkube/mkube/pkg/suggest"
)

const (
	dockerName  = "docker"
	vagrantName = "vagrant"
)

// builtIn lists the names of the built-in providers.
var builtIn = []string{dockerName, vagrantName}

// providerOptions are the flags that choose the provider and configure its nodes.
type providerOptions struct {
	provider, hypervisor, box string
	cpus, memory              int
}

func (a app) providerFlags(cmd *cobra.Command, o *providerOptions) {
	f := cmd.Flags()
	f.StringVar(&o.provider, "provider", dockerName, "node provider: "+strings.Join(builtIn, ", ")+", or NAME for the program "+outsidePrefix+"NAME")
	f.StringVar(&o.hypervisor, "vagrant-provider", "", "Vagrant provider of virtual machines (default virtualbox, or libvirt if only libvirt is installed)")
	f.StringVar(&o.box, "box", "", "Vagrant box of virtual machines, Debian or Ubuntu (default "+vagrant.DefaultBox+")")
	f.IntVar(&o.cpus, "cpus", 0, "CPUs of each node; a value in a configuration file takes precedence (default: all CPUs of the host for a container, 2 for a virtual machine)")
	f.IntVar(&o.memory, "memory", 0, "memory of each node in MiB; a value in a configuration file takes precedence (default: all memory of the host for a container, 2048 for a virtual machine)")
	// This fails only for an unknown flag or a second registration.
	_ = cmd.RegisterFlagCompletionFunc("provider", cobra.FixedCompletions(builtIn, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("vagrant-provider", cobra.FixedCompletions([]string{"virtualbox", "libvirt"}, cobra.ShellCompDirectiveNoFileComp))
}

// check returns an error for values and combinations of flags that are not allowed.
func (o providerOptions) check() error {
	var errs []error
	if o.cpus < 0 || o.memory < 0 {
		errs = append(errs, fmt.Errorf("--cpus and --memory must not be negative, but are %d and %d", o.cpus, o.memory))
	}
	if o.provider != vagrantName && (o.hypervisor != "" || o.box != "") {
		errs = append(errs, fmt.Errorf("--vagrant-provider and --box require --provider %s", vagrantName))
	}
	return errors.Join(errs...)
}

// args returns the flags as arguments, without those that have their default.
func (o providerOptions) args() []string {
	var args []string
	if o.provider != dockerName {
		args = append(args, "--provider", o.provider)
	}
	if o.hypervisor != "" {
		args = append(args, "--vagrant-provider", o.hypervisor)
	}
	if o.box != "" {
		args = append(args, "--box", o.box)
	}
	if o.cpus > 0 {
		args = append(args, "--cpus", strconv.Itoa(o.cpus))
	}
	if o.memory > 0 {
		args = append(args, "--memory", strconv.Itoa(o.memory))
	}
	return args
}

// apply writes the flags into a configuration. Values that the configuration sets override the
// flags.
func (o providerOptions) apply(c *config.Cluster) error {
	errs := []error{o.check()}
	for i := range c.Nodes {
		r := &c.Nodes[i].Resources
		if o.cpus > 0 && r.CPUs == "" {
			r.CPUs = fmt.Sprint(o.cpus)
		}
		if o.memory > 0 && r.Memory == "" {
			r.Memory = fmt.Sprintf("%dMi", o.memory)
		}
		if o.provider == vagrantName && !strings.HasPrefix(c.Nodes[i].Image, "mkube/node:") {
			// The cluster keeps the path of the bundle, and later commands may run in another
			// folder.
			path, err := filepath.Abs(c.Nodes[i].Image)
			if err != nil {
				errs = append(errs, err)
			}
			c.Nodes[i].Image = path
		}
	}
	return errors.Join(errs...)
}

// chosen returns the provider that creates a new cluster. It also finds the clusters of other
// providers, because no two clusters may have the same name.
func (a app) chosen(o providerOptions) (provider.Provider, error) {
	p, err := a.provider()
	every, ok := p.(*multiProvider)
	if err != nil || !ok || o.provider == dockerName {
		return p, err
	}
	if o.provider == vagrantName {
		every.chosen = a.machines(o)
		return every, nil
	}
	if every.chosen, err = a.outside(o.provider); err != nil {
		return nil, &usageError{err: err}
	}
	return every, nil
}

// dataDir returns the folder with the folders of virtual machines and of clusters of external
// providers, see https://specifications.freedesktop.org/basedir-spec/latest/.
func (a app) dataDir() string {
	dir := a.getenv("XDG_DATA_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(a.home, ".local", "share")
	}
	return filepath.Join(dir, "mkube")
}

func (a app) machines(o providerOptions) *vagrant.Provider {
	return vagrant.New(vagrant.Options{
		Dir: filepath.Join(a.dataDir(), vagrantName), Bundles: filepath.Join(a.dataDir(), "bundles"),
		Hypervisor: o.hypervisor, Box: o.box,
	})
}

// outsidePrefix is the prefix of the name of a program that is a provider.
const outsidePrefix = "mkube-provider-"

// outside returns the provider that runs the program of that name.
func (a app) outside(name string) (provider.Provider, error) {
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return nil, fmt.Errorf("unknown provider %q: use %s, or the NAME of a program %sNAME", name, strings.Join(builtIn, ", "), outsidePrefix)
	}
	path, err := a.lookPath(outsidePrefix + name)
	if err != nil {
		if hint := suggest.DidYouMean(name, builtIn); hint != "" {
			return nil, fmt.Errorf("unknown provider %q%s", name, hint)
		}
		return nil, fmt.Errorf("unknown provider %q: program %s is not on your PATH; the built-in providers are %s", name, outsidePrefix+name, strings.Join(builtIn, " and "))
	}
	return external.New(path, filepath.Join(a.outsideDir(), name)), nil
}

func (a app) outsideDir() string { return filepath.Join(a.dataDir(), "providers") }

// otherProviders returns the providers other than Docker that have clusters, found by the folders
// of the clusters. If there are none, this only reads two folders.
func (a app) otherProviders() []source {
	var list []source
	if names := folders(filepath.Join(a.dataDir(), vagrantName)); len(names) > 0 {
		list = append(list, source{names, func() (provider.Provider, error) { return a.machines(providerOptions{}), nil }})
	}
	for _, name := range folders(a.outsideDir()) {
		if names := folders(filepath.Join(a.outsideDir(), name)); len(names) > 0 {
			list = append(list, source{names, func() (provider.Provider, error) { return a.outside(name) }})
		}
	}
	return list
}

// folders returns the names of the folders in a folder, or none if it does not exist.
func folders(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil // nobody has created it, or it belongs to somebody else
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	return names
}

// source is a provider and the names of its clusters.
type source struct {
	clusters []string
	open     func() (provider.Provider, error)
}

func (s source) has(cluster string) bool { return slices.Contains(s.clusters, cluster) }
