// Asker asks an endpoint for credentials and says what it was given, in a line
// of JSON. It is the program of containers that have nothing else in them.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

func main() {
	wait := flag.Bool("wait", false, "ask when a line comes on standard input, and again with each")
	sleep := flag.Duration("sleep", 0, "stay for as long afterwards")
	flag.Parse()
	if *wait {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			ask(flag.Arg(0))
		}
	} else if flag.NArg() > 0 {
		ask(flag.Arg(0))
	}
	time.Sleep(*sleep)
}

type answer struct {
	Status  int
	RoleArn string
	Code    string
	Message string
}

func ask(url string) {
	var out answer
	if err := get(strings.Replace(url, "GATEWAY", gateway(), 1), &out); err != nil {
		out.Message = err.Error()
	}
	json.NewEncoder(os.Stdout).Encode(out)
}

func get(url string, out *answer) error {
	c := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := c.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	out.Status = resp.StatusCode
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%w in %s", err, b)
	}
	return nil
}

// gateway is where the default route leads.
func gateway() string {
	b, _ := os.ReadFile("/proc/net/route")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) > 2 && f[1] == "00000000" {
			if n, err := hex.DecodeString(f[2]); err == nil && len(n) == 4 {
				ip := make(net.IP, 4)
				binary.NativeEndian.PutUint32(ip, binary.BigEndian.Uint32(n))
				return ip.String()
			}
		}
	}
	return "127.0.0.1"
}
