# SPDX-License-Identifier: MIT
#
# Makes a C source of the scripts: their text, without comments and with the prelude where they ask for it, and its digest.
#   cmake -DFOLDER=... -DOUTPUT=... -P embed.cmake
set(scripts lock unlock cancel break extend renew info) # in the order of enum rlk_script

function(read_script name variable)
	file(READ ${FOLDER}/${name}.lua text)
	string(REGEX REPLACE "(^|\n)[\t ]*--[^@\n][^\n]*" "\\1" text "${text}")
	set(${variable} "${text}" PARENT_SCOPE)
endfunction()

read_script(prelude prelude)
set(source "/* Made from scripts/ by embed.cmake. */\n#include \"core.h\"\n\n")
string(APPEND source "const struct rlk_script_source rlk_script_sources[RLK_SCRIPTS] = {\n")
foreach(script IN LISTS scripts)
	read_script(${script} text)
	string(REPLACE "--@prelude" "${prelude}" text "${text}")
	string(REGEX REPLACE "\n[\t\n ]+" "\n" text "${text}")
	string(REGEX REPLACE "^\n+" "" text "${text}")
	string(SHA1 digest "${text}")
	string(REPLACE "\\" "\\\\" literal "${text}")
	string(REPLACE "\"" "\\\"" literal "${literal}")
	string(REPLACE "\n" "\\n\"\n\t  \"" literal "${literal}")
	string(APPEND source "\t/* ${script} */\n\t{ RLK_LITERAL(\n\t  \"${literal}\"),\n\t  RLK_LITERAL(\"${digest}\") },\n")
endforeach()
string(APPEND source "};\n")
file(WRITE ${OUTPUT} "${source}")
