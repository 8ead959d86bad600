package transfer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// selection is an image of an archive for one node.
type selection struct {
	image   *image
	variant *variant
	// names are the names that the node gives to the image, apart from its ID.
	names []string
}

// choose returns the best variant of an image for a platform.
func (i *image) choose(node ocispec.Platform) (best *variant, err error) {
	able := ability(node)
	for j := range i.variants {
		v := &i.variants[j]
		if !v.complete || v.platform != nil && !able.Match(*v.platform) {
			continue
		}
		if best == nil || best.platform == nil && v.platform != nil ||
			best.platform != nil && v.platform != nil && able.Less(*v.platform, *best.platform) {
			best = v
		}
	}
	if best == nil {
		return nil, i.lacks(able)
	}
	return best, nil
}

// ability returns what a node can run, best first: what containerd would pull, and then other
// variants of amd64, such as v3. containerd does not know whether the processor has them.
func ability(node ocispec.Platform) platforms.MatchComparer {
	able := platforms.Only(node)
	if node.Architecture != "amd64" {
		return able
	}
	list := []ocispec.Platform{node, {OS: node.OS, Architecture: "386"}}
	for _, variant := range []string{"v2", "v3", "v4"} {
		list = append(list, ocispec.Platform{OS: node.OS, Architecture: node.Architecture, Variant: variant})
	}
	return platforms.Ordered(list...)
}

// errIncomplete is the error of an image for the right platform without its content.
var errIncomplete = errors.New("incomplete")

// otherPlatformError is the error of an image that is only for other platforms.
type otherPlatformError struct{ platforms []string }

func (e *otherPlatformError) Error() string { return strings.Join(e.platforms, ", ") }

// lacks returns why no variant can be chosen.
func (i *image) lacks(able platforms.Matcher) error {
	e := &otherPlatformError{}
	for _, v := range i.variants {
		if v.platform == nil || able.Match(*v.platform) {
			return errIncomplete
		}
		if name := platformText(*v.platform); v.complete && !slices.Contains(e.platforms, name) {
			e.platforms = append(e.platforms, name)
		}
	}
	if len(e.platforms) == 0 {
		return errIncomplete
	}
	return e
}

// platformText returns a platform in the form that Docker takes.
func platformText(p ocispec.Platform) string { return platforms.Format(platforms.Normalize(p)) }

// choices are the images of an archive for nodes, by the platform of the node.
type choices map[string][]selection

// chooseFor chooses the images for all nodes. If an image cannot run on a node, one error reports
// all such images. An image without a name may be one of several for different platforms, so it is
// no mistake as long as the node gets another one.
func chooseFor(images []*image, nodes []*nodeImages) (choices, error) {
	all := choices{}
	var mistakes mistakes
	for _, n := range nodes {
		platform := platformText(n.platform)
		if _, ok := all[platform]; ok {
			continue
		}
		var chosen []selection
		var unnamed []error
		for _, i := range images {
			v, err := i.choose(n.platform)
			switch {
			case err == nil:
				chosen = append(chosen, selection{i, v, i.names()})
			case i.name == "":
				unnamed = append(unnamed, err)
			default:
				mistakes.add(i.name, n, err)
			}
		}
		if len(chosen) == 0 {
			for _, err := range unnamed {
				mistakes.add("", n, err)
			}
		}
		all[platform] = chosen
	}
	return all, mistakes.error()
}

// names returns the names that a node gives to the image, apart from its ID. Unless they are given,
// these are its name, and the same repository with its digest.
func (i *image) names() []string {
	if i.given != nil {
		return i.given
	}
	if i.name == "" {
		return nil
	}
	if i.digest == "" || strings.Contains(i.name, "@") {
		return []string{i.name}
	}
	return []string{i.name, repository(i.name) + "@" + i.digest.String()}
}

// mistakes are the images that cannot run on a node, each with the reason.
type mistakes struct {
	texts []string
	names map[string][]string // by text
	known map[[2]string]bool  // by name and platform
}

// add adds a mistake, unless another node of the same platform has it.
func (m *mistakes) add(name string, n *nodeImages, err error) {
	node, text := platformText(n.platform), ""
	if m.known[[2]string{name, node}] {
		return
	}
	if m.known == nil {
		m.names, m.known = map[string][]string{}, map[[2]string]bool{}
	}
	m.known[[2]string{name, node}] = true
	if other := (*otherPlatformError)(nil); errors.As(err, &other) {
		text = fmt.Sprintf("for %s, and node %s is %s: build it with --platform %[3]s", other, n.node.Name(), node)
	} else {
		text = fmt.Sprintf("incomplete for %s, the platform of node %s: pull or build it with --platform %[1]s first", node, n.node.Name())
	}
	if m.names[text] == nil {
		m.texts = append(m.texts, text)
	}
	m.names[text] = append(m.names[text], cmp.Or(familiar(name), "the image"))
}

// error returns one error for each reason, or nil.
func (m *mistakes) error() error {
	var errs []error
	for _, text := range m.texts {
		names, verb := m.names[text], "is"
		if len(names) > 1 {
			verb = "are"
			text = strings.Replace(text, "build it", "build them", 1)
		}
		errs = append(errs, fmt.Errorf("%s %s %s", strings.Join(names, ", "), verb, text))
	}
	return errors.Join(errs...)
}
