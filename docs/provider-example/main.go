// Command mkube-provider-example makes mkube's nodes of containers, by the docker command:
// an example of docs/provider-protocol.md. What it keeps of a cluster is one file.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

type request struct {
	Method, Cluster, Dir, Node string
	Names, Args, Env           []string
	Port                       int
	TTY                        bool
	Config                     struct {
		Nodes      []struct{ Role, Image string }
		Networking struct{ IPFamily string }
	}
}

type node struct {
	Name      string            `json:"name"`
	Role      string            `json:"role"`
	Addresses []string          `json:"addresses"`
	Versions  map[string]string `json:"versions"`
}

// versions are the labels of a node image, by what the protocol calls them.
var versions = map[string]string{"kubernetes": "kubernetes", "etcd": "etcd", "coreDNS": "coredns", "pause": "pause",
	"localPath": "local-path-provisioner", "metricsServer": "metrics-server"}

// options are what the node image, systemd and the kubelet want of a container.
const options = "--tty|--cgroupns=private|--tmpfs=/run:exec|--tmpfs=/tmp:exec|--volume=/var|--volume=/lib/modules:/lib/modules:ro|" +
	"--cap-add=ALL|--cap-drop=SYS_RESOURCE|--security-opt=seccomp=unconfined|--security-opt=apparmor=unconfined|" +
	"--security-opt=systempaths=unconfined|--device-cgroup-rule=a *:* rwm|--device=/dev/kmsg"

func main() {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadBytes('\n')
	try(err)
	var r request
	try(json.Unmarshal(line, &r))
	network, file := "example-"+r.Cluster, filepath.Join(r.Dir, "nodes.json")
	switch r.Method {
	case "check":
		if family := r.Config.Networking.IPFamily; family != "ipv4" {
			try(fmt.Errorf("the example has addresses of IPv4 only: set ipFamily to ipv4 instead of %s", family))
		}
		r.nodes("10.88.0")
	case "create":
		r.create(in, network, file)
	case "nodes":
		if data, err := os.ReadFile(file); err == nil { // else it was not made
			reply("nodes", json.RawMessage(data))
		}
	case "delete":
		if nodes := docker(nil, "ps", "--all", "--quiet", "--filter", "network="+network); nodes != "" {
			docker(nil, append([]string{"rm", "--force", "--volumes"}, strings.Fields(nodes)...)...)
		}
		if docker(nil, "network", "ls", "--quiet", "--filter", "name=^"+network+"$") != "" {
			docker(nil, "network", "rm", network)
		}
	case "run":
		args := []string{"exec", "--interactive"}
		for _, env := range r.Env {
			args = append(args, "--env", env)
		}
		if r.TTY { // docker exec --tty wants one here, too
			r.Args = []string{"script", "--quiet", "--return", "--command", quoted(r.Args), "/dev/null"}
		}
		cmd := exec.Command("docker", append(append(args, r.Node), r.Args...)...)
		cmd.Stdout, cmd.Stderr = stream("stdout"), stream("stderr")
		stdin, err := cmd.StdinPipe()
		try(err)
		try(cmd.Start())
		go func() { // Wait would wait for its end, which may never come
			_, _ = io.Copy(stdin, in)
			_ = stdin.Close()
		}()
		if err := cmd.Wait(); !errors.As(err, new(*exec.ExitError)) {
			try(err)
		}
		reply("exit", cmd.ProcessState.ExitCode())
	case "endpoint":
		address := docker(nil, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", r.Node)
		reply("endpoint", fmt.Sprintf("%s:%d", address, r.Port))
	case "logs":
		reply("stdout", []byte(docker(nil, "logs", r.Node)))
	default:
		try(fmt.Errorf("the example cannot %s", r.Method))
	}
}

// create tells of the nodes, is told their files, and boots them.
func (r request) create(in io.Reader, network, file string) {
	var subnet string // the first that is free
	for i, err := 0, errors.New(""); err != nil && i < 256; i++ {
		subnet = fmt.Sprintf("10.88.%d", i)
		err = exec.Command("docker", "network", "create", "--subnet", subnet+".0/24", network).Run()
	}
	nodes := r.nodes(subnet)
	reply("nodes", nodes)
	var seed struct{ Files map[string][]byte }
	try(json.NewDecoder(in).Decode(&seed))
	data, _ := json.Marshal(nodes)
	try(os.WriteFile(file, data, 0o600))
	for i, n := range nodes {
		args := append([]string{"create", "--name=" + n.Name, "--hostname=" + n.Name, "--network=" + network, "--ip=" + n.Addresses[0]}, strings.Split(options, "|")...)
		docker(nil, append(args, r.Config.Nodes[i].Image)...)
		docker(seed.Files[n.Name], "cp", "-", n.Name+":/")
		docker(nil, "start", n.Name)
	}
}

// nodes are those that are asked for, with what their images hold.
func (r request) nodes(subnet string) (nodes []node) {
	for i, n := range r.Config.Nodes {
		nodes = append(nodes, node{r.Names[i], n.Role, []string{fmt.Sprintf("%s.%d", subnet, i+2)}, map[string]string{}})
		for name, label := range versions {
			nodes[i].Versions[name] = docker(nil, "image", "inspect", "--format", `{{index .Config.Labels "dev.mkube.`+label+`"}}`, n.Image)
		}
	}
	return nodes
}

// docker runs the docker command, and returns what it says.
func docker(in []byte, args ...string) string {
	var stderr bytes.Buffer
	cmd := exec.Command("docker", args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	if err != nil {
		try(fmt.Errorf("docker %s: %w: %s", args[0], err, strings.TrimSpace(stderr.String())))
	}
	return strings.TrimSpace(string(out))
}

// quoted is a command for a shell.
func quoted(args []string) string {
	var words []string
	for _, a := range args {
		words = append(words, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

func reply(field string, value any) {
	try(json.NewEncoder(os.Stdout).Encode(map[string]any{field: value}))
}

// stream replies with what is written to it; JSON has bytes in base64.
type stream string

func (s stream) Write(p []byte) (int, error) {
	reply(string(s), p)
	return len(p), nil
}

func try(err error) {
	if err != nil {
		_ = json.NewEncoder(os.Stdout).Encode(map[string]string{"error": err.Error()})
		os.Exit(1)
	}
}
