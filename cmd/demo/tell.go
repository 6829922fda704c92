package main

import (
	"fmt"
	"os"
)

// Colors, where the output is a terminal and nobody asked for none, or where CLICOLOR_FORCE asks for them. The CLI follows.
var bold, cyan, green, red, off = colors()

func colors() (bold, cyan, green, red, off string) {
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == ""
	if !terminal && os.Getenv("CLICOLOR_FORCE") == "" {
		return "", "", "", "", ""
	}
	return "\x1b[1m", "\x1b[36m", "\x1b[32m", "\x1b[31m", "\x1b[0m"
}

var chapters int

// chapter begins a part of the story: what is about to happen. It, and all that follows, begins with an empty line.
func chapter(title, caption string) {
	chapters++
	fmt.Printf("\n\n%s%d. %s%s\n", bold, chapters, title, off)
	say("%s", caption)
}

func say(format string, args ...any) { fmt.Printf("\n"+format+"\n", args...) }

// typed shows a command where it is typed: on a Mac, or here.
func typed(mac, command string) {
	prompt := "$"
	if mac != "" {
		prompt = mac + " #"
	}
	fmt.Printf("\n%s%s %s%s\n", cyan, prompt, command, off)
}

func passed(format string, args ...any) {
	fmt.Printf("\n%sPASSED%s "+format+"\n", append([]any{bold + green, off}, args...)...)
}

func failed(err error) {
	fmt.Printf("\n%sFAILED%s %v\n", bold+red, off, err)
}
