//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// facts are what the rules are about on one node.
type facts struct {
	worker bool
	// files are the modes and owners of files, by path.
	files map[string]file
	// flags are the flags of processes, by the name of the program and that of the flag.
	flags map[string]map[string]string
	// listens are the addresses of TCP ports.
	listens []string
	// digests are the SHA-256 of certificates, by path.
	digests map[string]string
	// kubelet is the configuration that the kubelet uses.
	kubelet map[string]any
	// tokens are the Secrets with bootstrap tokens, and kubeconfig is the user's.
	tokens, kubeconfig string
}

type file struct {
	mode  uint64
	owner string
}

// factScript prints the facts of a node, each with a word that says what it is.
const factScript = `find /etc/kubernetes /etc/cni/net.d /etc/systemd/system/kubelet.service /var/lib/kubelet/config.yaml /var/lib/etcd -maxdepth 3 -printf 'file %m %u:%g %p\n' 2>/dev/null
for p in /proc/[0-9]*/cmdline; do tr '\0' ' ' <$p 2>/dev/null | sed 's/^/process /; s/$/\n/'; done
ss -Hltn | awk '{ print "listens", $4 }'
sha256sum /etc/kubernetes/pki/ca.crt /etc/kubernetes/pki/etcd/ca.crt 2>/dev/null | sed 's/^/digest /'`

func (c cluster) facts(t *testing.T, node string) facts {
	t.Helper()
	f := facts{worker: strings.Contains(node, "worker"), files: map[string]file{}, flags: map[string]map[string]string{}, digests: map[string]string{}}
	for line := range strings.Lines(mkube(t, "exec", node, "--", "sh", "-c", factScript)) {
		switch words := strings.Fields(line); {
		case len(words) == 4 && words[0] == "file":
			mode, err := strconv.ParseUint(words[1], 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			f.files[words[3]] = file{mode, words[2]}
		case len(words) > 2 && words[0] == "process":
			f.flags[words[1][strings.LastIndex(words[1], "/")+1:]] = flagsOf(words[2:])
		case len(words) == 2 && words[0] == "listens":
			f.listens = append(f.listens, words[1])
		case len(words) == 3 && words[0] == "digest":
			f.digests[words[2]] = words[1]
		}
	}
	var configz struct{ Kubeletconfig map[string]any }
	if err := json.Unmarshal([]byte(c.kubectl(t, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/configz")), &configz); err != nil {
		t.Fatal(err)
	}
	f.kubelet = configz.Kubeletconfig
	f.tokens = c.kubectl(t, "get", "secrets", "--all-namespaces", "--field-selector=type=bootstrap.kubernetes.io/token", "-o", "name")
	f.kubeconfig = mkube(t, "get", "kubeconfig", "--name", c.name)
	return f
}

func flagsOf(args []string) map[string]string {
	flags := map[string]string{}
	for _, arg := range args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		flags[name] = value
	}
	return flags
}

// A rule returns nil if a line of the benchmark is true on a node.
type rule func(facts) error

func check(ok bool, message string) error {
	if ok {
		return nil
	}
	return errors.New(message)
}

func all(rules ...rule) rule {
	return func(f facts) error {
		var errs []error
		for _, r := range rules {
			errs = append(errs, r(f))
		}
		return errors.Join(errs...)
	}
}

// modes checks that a file has no permission beyond a mode.
func modes(most uint64, path string) rule {
	return func(f facts) error {
		file, ok := f.files[path]
		return check(ok && file.mode&^most == 0, fmt.Sprintf("%s is there: %t, with the mode %o", path, ok, file.mode))
	}
}

func atMost(most uint64) func(string) rule {
	return func(path string) rule { return modes(most, path) }
}

func roots(path string) rule {
	return func(f facts) error {
		return check(f.files[path].owner == "root:root", fmt.Sprintf("%s belongs to %q", path, f.files[path].owner))
	}
}

// below checks a rule for the files below a folder whose names have a suffix. There must be some.
func below(rule func(path string) rule, folder, suffix string) rule {
	return func(f facts) error {
		err := errors.New("there are no files *" + suffix + " below " + folder)
		var errs []error
		for path := range f.files {
			if strings.HasPrefix(path, folder) && strings.HasSuffix(path, suffix) {
				err = nil
				errs = append(errs, rule(path)(f))
			}
		}
		return errors.Join(append(errs, err)...)
	}
}

// A holds reports whether a flag has a value that is allowed.
type holds func(value string, isSet bool) bool

// flags checks a flag of a program. The program must run.
func flags(program, name string, ok holds) rule {
	return func(f facts) error {
		args, runs := f.flags[program]
		value, isSet := args[name]
		return check(runs && ok(value, isSet), fmt.Sprintf("%s runs: %t, with --%s=%s", program, runs, name, value))
	}
}

func set(value string, isSet bool) bool { return isSet && value != "" }

func unset(_ string, isSet bool) bool { return !isSet }

func is(want string) holds {
	return func(value string, isSet bool) bool { return isSet && value == want }
}

func unless(bad string) holds { return func(value string, _ bool) bool { return value != bad } }

func has(item string) holds {
	return func(value string, _ bool) bool { return slices.Contains(strings.Split(value, ","), item) }
}

func lacks(item string) holds {
	return func(value string, isSet bool) bool { return !has(item)(value, isSet) }
}

func andAlso(a, b holds) holds {
	return func(value string, isSet bool) bool { return a(value, isSet) && b(value, isSet) }
}

// strongSuite matches a cipher suite with forward secrecy and authenticated encryption.
var strongSuite = regexp.MustCompile(`^TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_(128|256)_GCM_SHA(256|384)|CHACHA20_POLY1305(_SHA256)?)$`)

func strong(value string, _ bool) bool {
	return !slices.ContainsFunc(strings.Split(value, ","), func(suite string) bool { return !strongSuite.MatchString(suite) })
}

func strongKubelet(f facts) error {
	list, _ := f.kubelet["tlsCipherSuites"].([]any)
	text := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(list)), ","), "[]")
	return check(len(list) > 0 && strong(text, true), "the cipher suites are "+text)
}

// field checks a field of the kubelet's configuration. The value of a missing field is <nil>.
func field(want string, path ...string) rule {
	return func(f facts) error {
		var value any = f.kubelet
		for _, name := range path {
			table, _ := value.(map[string]any)
			value = table[name]
		}
		return check(fmt.Sprint(value) == want, fmt.Sprintf("%s is %v; want %s", strings.Join(path, "."), value, want))
	}
}

// local checks that a program listens at a port, at the loopback address only.
func local(port string) rule {
	return func(f facts) error {
		at := slices.DeleteFunc(slices.Clone(f.listens), func(a string) bool { return !strings.HasSuffix(a, ":"+port) })
		return check(slices.Equal(at, []string{"127.0.0.1:" + port}), fmt.Sprintf("there are listeners at %q", at))
	}
}

func ownAuthority(f facts) error {
	cluster, etcd := f.digests[keys+"ca.crt"], f.digests[keys+"etcd/ca.crt"]
	return check(cluster != "" && etcd != "" && cluster != etcd && f.flags["etcd"]["trusted-ca-file"] == keys+"etcd/ca.crt",
		fmt.Sprintf("the digests of the authorities are %q and %q", cluster, etcd))
}
