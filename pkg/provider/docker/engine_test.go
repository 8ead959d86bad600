package docker

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"

	"github.com/mkube/mkube/pkg/config"
	"github.com/mkube/mkube/pkg/names"
	"github.com/mkube/mkube/pkg/provider"
)

// engine is a fake of the part of a Docker engine that creates and removes nodes: containers,
// networks and volumes with their labels.
type engine struct {
	mu         sync.Mutex
	containers map[string]*made // by name, which is also the ID
	networks   map[string]*network.Inspect
	volumes    map[string]map[string]string // labels by name
	// refuse returns the message with which the engine refuses a request, "" to accept it. It may
	// also change the state of the engine.
	refuse func(r *http.Request, path string) string
}

// made is a container.
type made struct {
	config  container.Config
	host    container.HostConfig
	network string
	ip      string
	files   []string // in the order in which they were copied
	started bool
	volumes []string
	named   bool // whether its volumes have a name: those are not removed with it
	// removal finishes a removal that is in progress. The engine refuses other removals until a
	// request has waited for this one.
	removal func()
}

// newEngine returns an engine with one image, the node image, and a provider on it.
func newEngine(t *testing.T) (*engine, *Provider) {
	t.Helper()
	e := &engine{containers: map[string]*made{}, networks: map[string]*network.Inspect{}, volumes: map[string]map[string]string{}}
	return e, New(daemon(t, e.serve))
}

// creation is the creation of what these tests create.
const creation = "mkube test"

// createOn creates a cluster with the creation of these tests.
func createOn(ctx context.Context, p *Provider, cfg config.Cluster, seed provider.Seed) error {
	_, err := p.Create(ctx, imaged(cfg), creation, seed)
	return err
}

// addOn adds the last node of a configuration.
func addOn(ctx context.Context, p *Provider, cfg config.Cluster, seed provider.Seed) error {
	_, err := p.Add(ctx, imaged(cfg), len(cfg.Nodes)-1, creation+" more", seed)
	return err
}

func deleteOn(ctx context.Context, p *Provider, cfg config.Cluster) error {
	return p.Delete(ctx, cfg.Name, "")
}

// imaged returns a configuration with all defaults, including those of the command line.
func imaged(cfg config.Cluster) config.Cluster {
	cfg = cfg.Default()
	cfg.Nodes = slices.Clone(cfg.Nodes)
	for i := range cfg.Nodes {
		cfg.Nodes[i].Image = "mkube/node:v1.37.2"
	}
	return cfg
}

// seedOf returns one file for each node.
func seedOf(nodes []provider.Node) (map[string][]provider.File, error) {
	files := map[string][]provider.File{}
	for _, n := range nodes {
		files[n.Name()] = []provider.File{{Path: "/etc/mkube/name", Data: []byte(n.Name())}}
	}
	return files, nil
}

// state returns everything that the engine has, a line each.
func (e *engine) state() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list []string
	for name, c := range e.containers {
		list = append(list, fmt.Sprintf("container %s of %q on %s", name, c.config.Labels[labelCluster], c.network))
	}
	for name, n := range e.networks {
		list = append(list, fmt.Sprintf("network %s of %q", name, n.Labels[labelCluster]))
	}
	for name, labels := range e.volumes {
		list = append(list, fmt.Sprintf("volume %s of %q", name, labels[labelCluster]))
	}
	slices.Sort(list)
	return list
}

func (e *engine) serve(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.43")
	w.Header().Set("Content-Type", "application/json")
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[strings.Index(path[1:], "/")+1:]
	}
	if e.refuse != nil {
		if why := e.refuse(r, path); why != "" {
			code := http.StatusInternalServerError
			if strings.HasSuffix(why, "is in use") {
				code = http.StatusConflict
			}
			fail(w, code, why)
			return
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	kind, name, action := split(path)
	switch kind {
	case "_ping":
	case "images":
		answer(w, map[string]any{"Id": "node", "Config": map[string]any{"Labels": map[string]string{names.LabelKubernetes: "v1.37.2"}}})
	case "containers":
		e.serveContainers(w, r, name, action)
	case "networks":
		e.serveNetworks(w, r, name, action)
	case "volumes":
		e.serveVolumes(w, r, name)
	default:
		fail(w, http.StatusNotImplemented, "this engine knows no "+path)
	}
}

// split splits a path such as /containers/NAME/start.
func split(path string) (kind, name, action string) {
	parts := strings.SplitN(strings.Trim(path, "/")+"//", "/", 4)
	return parts[0], parts[1], parts[2]
}

// answer ignores errors: the client may have gone.
func answer(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) }

func fail(w http.ResponseWriter, code int, why string) {
	w.WriteHeader(code)
	answer(w, map[string]string{"message": why})
}

// labelled reports whether labels match the filters of a request.
func labelled(r *http.Request, labels map[string]string) bool {
	args, err := filters.FromJSON(r.URL.Query().Get("filters"))
	return err == nil && (r.URL.Query().Get("filters") == "" || args.MatchKVList("label", labels))
}

func (e *engine) serveContainers(w http.ResponseWriter, r *http.Request, name, action string) {
	switch name {
	case "json":
		e.listContainers(w, r)
		return
	case "create":
		e.createContainer(w, r)
		return
	}
	c := e.containers[name]
	switch {
	case c == nil:
		fail(w, http.StatusNotFound, "No such container: "+name)
	case r.Method == http.MethodDelete && c.removal != nil:
		fail(w, http.StatusConflict, "removal of container "+name+" is already in progress")
	case r.Method == http.MethodDelete:
		e.removeContainer(name, r.URL.Query().Get("v") == "1")
		w.WriteHeader(http.StatusNoContent)
	case action == "wait":
		c.removal()
		c.removal = nil
		answer(w, container.WaitResponse{})
	case action == "archive":
		c.files = append(c.files, entries(r.Body)...)
	case action == "start":
		c.started = true
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, inspected(name, c))
	}
}

func (e *engine) removeContainer(name string, anonymous bool) {
	for _, v := range e.containers[name].volumes {
		if anonymous && !e.containers[name].named {
			delete(e.volumes, v)
		}
	}
	delete(e.containers, name)
}

func entries(archive io.Reader) []string {
	var names []string
	for in := tar.NewReader(archive); ; {
		h, err := in.Next()
		if err != nil {
			return names
		}
		if h.Typeflag == tar.TypeReg {
			names = append(names, h.Name)
		}
	}
}

func inspected(name string, c *made) container.InspectResponse {
	response := container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{ID: name, Name: "/" + name, HostConfig: &c.host}, Config: &c.config,
	}
	for _, v := range c.volumes {
		response.Mounts = append(response.Mounts, container.MountPoint{Type: mount.TypeVolume, Name: v})
	}
	return response
}

func (e *engine) listContainers(w http.ResponseWriter, r *http.Request) {
	list := []container.Summary{}
	for _, name := range slices.Sorted(maps.Keys(e.containers)) {
		if c := e.containers[name]; labelled(r, c.config.Labels) {
			list = append(list, container.Summary{ID: name, Names: []string{"/" + name}, Labels: c.config.Labels})
		}
	}
	answer(w, list)
}

func (e *engine) createContainer(w http.ResponseWriter, r *http.Request) {
	var request struct {
		container.Config
		HostConfig       container.HostConfig
		NetworkingConfig network.NetworkingConfig
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	name := r.URL.Query().Get("name")
	if e.containers[name] != nil {
		fail(w, http.StatusConflict, "Conflict. The container name \"/"+name+"\" is already in use")
		return
	}
	c := &made{config: request.Config, host: request.HostConfig}
	for net, endpoint := range request.NetworkingConfig.EndpointsConfig {
		if e.networks[net] == nil {
			fail(w, http.StatusNotFound, "network "+net+" not found")
			return
		}
		c.network, c.ip = net, endpoint.IPAMConfig.IPv4Address
		e.networks[net].Containers[name] = network.EndpointResource{Name: name}
	}
	for i, m := range c.host.Mounts {
		if m.Type == mount.TypeVolume {
			v := fmt.Sprintf("%s-%d", name, i)
			c.volumes, e.volumes[v] = append(c.volumes, v), m.VolumeOptions.Labels
		}
	}
	e.containers[name] = c
	w.WriteHeader(http.StatusCreated)
	answer(w, container.CreateResponse{ID: name})
}

func (e *engine) serveNetworks(w http.ResponseWriter, r *http.Request, name, action string) {
	n := e.networks[name]
	switch {
	case name == "":
		list := []network.Summary{}
		for _, net := range slices.Sorted(maps.Keys(e.networks)) {
			if labelled(r, e.networks[net].Labels) {
				list = append(list, *e.networks[net])
			}
		}
		answer(w, list)
	case name == "create":
		e.createNetwork(w, r)
	case n == nil:
		fail(w, http.StatusNotFound, "network "+name+" not found")
	case action == "disconnect":
		var request network.DisconnectOptions
		_ = json.NewDecoder(r.Body).Decode(&request) // this package's client sends valid requests
		delete(n.Containers, request.Container)
		if c := e.containers[request.Container]; c != nil {
			c.network = ""
		}
	case r.Method == http.MethodDelete && len(n.Containers) > 0:
		fail(w, http.StatusForbidden, "network "+name+" has active endpoints")
	case r.Method == http.MethodDelete:
		delete(e.networks, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, n)
	}
}

func (e *engine) createNetwork(w http.ResponseWriter, r *http.Request) {
	var request network.CreateRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	if e.networks[request.Name] != nil {
		fail(w, http.StatusConflict, "network with name "+request.Name+" already exists")
		return
	}
	e.networks[request.Name] = &network.Inspect{
		ID: request.Name, Name: request.Name, Labels: request.Labels, IPAM: *request.IPAM, Containers: map[string]network.EndpointResource{},
	}
	w.WriteHeader(http.StatusCreated)
	answer(w, network.CreateResponse{ID: request.Name})
}

func (e *engine) serveVolumes(w http.ResponseWriter, r *http.Request, name string) {
	labels, found := e.volumes[name]
	switch {
	case name == "":
		response := volume.ListResponse{}
		for _, v := range slices.Sorted(maps.Keys(e.volumes)) {
			if labelled(r, e.volumes[v]) {
				response.Volumes = append(response.Volumes, &volume.Volume{Name: v, Labels: e.volumes[v]})
			}
		}
		answer(w, response)
	case !found:
		fail(w, http.StatusNotFound, "no such volume")
	case r.Method == http.MethodDelete:
		delete(e.volumes, name)
		w.WriteHeader(http.StatusNoContent)
	default:
		answer(w, volume.Volume{Name: name, Labels: labels})
	}
}

// foreign adds things of another user to the engine: a container, a network and a volume, with
// these labels.
func (e *engine) foreign(name string, labels map[string]string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.containers[name] = &made{config: container.Config{Labels: labels}, volumes: []string{name}, named: true}
	e.networks[name] = &network.Inspect{ID: name, Name: name, Labels: labels, Containers: map[string]network.EndpointResource{}}
	e.volumes[name] = labels
}
