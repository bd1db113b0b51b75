"""How people ask about code: patterns for each kind of question; `x` is what is asked about."""

import re

TRACE = re.compile(
    r"Traceback \(most recent call last\)|^\s*File \"[^\"\n]+\", line \d+"
    r"|^\s+at .+[(:]\S+:\d+(?::\d+)?\)?\s*$"
    r"|^panic: |^goroutine \d+ \[|thread '.*' (?:\(\d+\) )?panicked at|^Exception in thread |^Caused by: "
    r"|^\s+\d+: .+\n\s+at \S+:\d+|^[\w./-]+\.(?:py|js|ts|go|rs|java|rb|c|cpp):\d+: ",
    re.MULTILINE,
)
X = r"(?P<x>.+?)"
END = r"[\s?!.]*$"
USE = {
    "call": r"call(?:s|ed|ing|er|ers)?|invoke[sd]?|execute[sd]?|run|runs|triggers?|triggered",
    "inherit": r"inherit(?:s|ed|ing)?(?: from)?|subclass(?:es|ed|ing)?|extend(?:s|ed|ing)?|derive[sd]?(?: from)?"
    r"|implement(?:s|ing)?|implementers?|implementors?",
    "import": r"import(?:s|ed|ing)?|require[sd]?|includes?",
    "use": r"use[sd]?|using|references?|referenced|refers? to|depends? (?:up)?on|needs?|instantiate[sd]?|instances?"
    r"|constructs?|creates?|consumes?|touch(?:es)?|relies on|mentions?",
}
USES = "|".join(USE.values())
DEFINED = (
    r"defined|declared|implemented|located|found|written|coded|placed|kept|stored|set up"
    r"|introduced|living|live|lives"
)

USERS = tuple(
    re.compile(pattern, re.IGNORECASE | re.DOTALL)
    for pattern in (
        rf"\b(?:who|what|which\b[\w\s]{{0,40}}?|where (?:do|does|is|are) (?:we|it|anyone|you|anything)"
        rf"|does any\w*|do any\w*"
        rf"|is there any\w*(?: that)?|what else|who else|everything that|anything that"
        rf"|all (?:the )?\w+ (?:that|which))"
        rf"\s+(?:all\s+|actually\s+|directly\s+|still\s+)*(?P<verb>{USES})\s+{X}{END}",
        rf"\bwhere(?:'s| is| are| do we| does|else is)?\s+{X}\s+(?:is |are |being |get |gets |been )?"
        rf"(?:actually |currently |directly )?(?P<verb>{USES}){END}",
        rf"\b(?P<verb>callers?|usages?|uses?|references?|call[- ]?sites?|invocations?|importers?"
        rf"|users?|subclasses|"
        rf"implementations|implementers|instances|consumers|dependents|occurrences)\s+(?:of|to"
        rf"|for)\s+{X}{END}",
        rf"\b(?:is|are)\s+{X}\s+(?:still |ever |even |actually )?(?P<verb>{USES})\s*(?:anywhere"
        rf"|somewhere|at all)?{END}",
        rf"\bhow (?:many times|often|many (?:places|callers))\b.*?(?:is|are|do|does|call|use)?\s+{X}\s+"
        rf"(?:is |are |being )?(?P<verb>{USES}){END}",
        rf"\bhow many\s+[\w\s]{{1,30}}?(?P<verb>{USES})\s+{X}{END}",
        rf"\bhow (?:is|are)\s+{X}\s+(?P<verb>used|called|invoked){END}",
        rf"\b(?P<verb>breaks?|affected|impact(?:ed)?|happens)\b.*?\bif (?:i|we|you|one|someone)\s+"
        rf"(?:change|changed|rename|renamed|remove|removed|delete|deleted|modify|touch|edit)d?\s+{X}{END}",
        rf"\b(?P<verb>impact)\s+of\s+(?:changing|renaming|removing|deleting|modifying)\s+{X}{END}",
        rf"^\s*{X}\s+(?P<verb>callers|usages|usage|references|call sites|subclasses){END}",
        rf"\b(?:find|show|list|give)\s+(?:me\s+)?(?:all\s+|every\s+)?(?:the\s+)?(?:places?|code|spots?"
        rf"|lines?|files?|"
        rf"functions?|modules?|classes)\s+(?:that|which|where)\s+(?P<verb>{USES})\s+{X}{END}",
        rf"\b(?:find|show|list)\s+(?:me\s+)?(?:all\s+)?(?:the\s+)?(?P<verb>calls?)\s+(?:of|to)\s+{X}{END}",
    )
)
HAPPEN = (
    r"raise[sd]?|throws?|thrown|returns?|returned|instantiate[sd]?|creates?|created|constructs?|constructed|raising"
    r"|throwing|returning|instantiating|creating"
)
PLACES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bwhere(?:'s| is| are| do(?: we| you)?| does(?: it)?| gets?)?\s+{X}\s+(?:being |get |gets )?"
        rf"(?P<verb>{HAPPEN}){END}",
        rf"\bwhere (?:do|does|is|are) (?:we|it|you|this|they)\s+(?P<verb>{HAPPEN})\s+{X}{END}",
        rf"\b(?:who|what|which\b[\w\s]{{0,30}}?)\s+(?P<verb>raises?|throws?|instantiates?|creates?|constructs?)"
        rf"\s+{X}{END}",
    )
)
CALLEES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:what|which\b[\w\s]{{0,30}}?)\s+(?:does|do)\s+{X}\s+(?:directly |actually |itself )?"
        rf"(?:call|invoke|use|depend on|rely on){END}",
        rf"\b(?:what|which\b[\w\s]{{0,30}}?)\s+(?:is|are)\s+(?:called|invoked|used)\s+(?:by|in|inside|from)\s+{X}{END}",
        rf"\bcallees\s+of\s+{X}{END}",
        rf"\b(?:what|which\b[\w\s]{{0,30}}?)\s+calls\s+(?:does|do)\s+{X}\s+make{END}",
    )
)
TESTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:which|what|any|the|are there)\s+tests?\s+(?:files?\s+)?(?:cover|covers|for|of|test"
        rf"|exercise|check|use|"
        rf"call|are there for)\s+{X}{END}",
        rf"\b(?:is|are)\s+{X}\s+(?:tested|covered)(?: by (?:any )?tests?)?{END}",
        rf"\bwhere(?:'s| is| are)\s+{X}\s+tested{END}",
        rf"\btests?\s+(?:for|of|cover(?:ing)?|that (?:cover|test))\s+{X}{END}",
        rf"\bhow (?:is|are)\s+{X}\s+tested{END}",
        rf"\bwhere are the tests (?:for|of)\s+{X}{END}",
    )
)
DEFINITION = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bwhere(?:'s| is| are| was| were| do(?: we| you| i)?| does| did| can i(?: find)?"
        rf"| exactly is)?\s+{X}\s+"
        rf"(?:is |are |get |gets |actually |exactly )?(?:{DEFINED}|come from|comes from|define|declare"
        rf"|implement){END}",
        rf"\b(?:the\s+)?(?:definitions?|declarations?|implementation|source|source code"
        rf"|location)\s+(?:of|for)\s+{X}{END}",
        rf"\b(?:which|what|in which|in what)\s+(?:file|module|package|line|place|folder|directory"
        rf"|class)\s+(?:is|are|does|"
        rf"do|defines?|declares?|contains?|has|holds?|implements?|provides?|exports?|exposes?)\s+{X}"
        rf"(?:\s+(?:{DEFINED}|in|come from|live in|belong to))?{END}",
        rf"\bwhat\s+(?:defines|declares|implements|provides|exports)\s+{X}{END}",
        rf"^\s*(?:please\s+|can you\s+|could you\s+)*(?:find|locate|go ?to|jump to|open|take me to"
        rf"|look ?up|search for|"
        rf"show|give)\s+(?:me\s+)?(?:where\s+)?{X}(?:\s+is)?(?:\s+(?:{DEFINED}))?{END}",
        rf"\bwhere\s+(?:can|do|could|would|should)\s+(?:i|we|you|one)\s+(?:find|look for|see)\s+{X}{END}",
        rf"\bwhere\s+(?:do we|does it|does this \w+|do they|do you)\s+(?:define|declare"
        rf"|implement)\s+{X}{END}",
        rf"\bwhere(?:'s|\s+is|\s+are|\s+does)\s+{X}(?:\s+live)?{END}",
        rf"^\s*{X}\s+(?:definition|declaration|defined where|where){END}",
    )
)
MEMBERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:list|show|which|what|name|give me|how many|enumerate"
        r"|are there)\s+(?:me\s+)?(?:all\s+)?(?:of\s+)?(?:the\s+)?"
        r"(?:public\s+|private\s+|different\s+|top-level\s+)?(?P<member>methods|functions|classes"
        r"|attributes|"
        r"fields|members|properties|symbols|exports|constants|variables|types|interfaces|definitions|enums|"
        r"structs|exceptions|imports|dependencies|modules|submodules|files|tests|test files|packages|lines)"
        rf"\s*(?:are\s+|is\s+|do\s+|does\s+|there\s+|defined\s+|declared\s+|exist\s+|available\s+"
        rf"|provided\s+|that\s+|"
        rf"contained\s+|of\s+code\s+)*(?:in|of|on|by|from|for|inside|within|under|does|do|has|have|the"
        rf"|defined in)?\s+{X}"
        rf"(?:\s+(?:has|have|define|defines|declare|provide|expose|export|contain|contains|import"
        rf"|offer|depend on|"
        rf"implement|get|take))?{END}",
        rf"\bwhat\s+(?:does|do|is|are)\s+{X}\s+(?P<member>import|export|depend on|contain|define"
        rf"|provide|expose|call)s?{END}",
        rf"\b(?P<member>methods|functions|classes|attributes|fields|members|imports|dependencies"
        rf"|exports|contents|outline)"
        rf"\s+(?:of|in|on)\s+{X}{END}",
        rf"\b(?:what(?:'s|\s+is|\s+are))\s+(?:there\s+)?(?P<member>in|inside)\s+{X}{END}",
    )
)
EXPLANATION = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bwhat(?:'s)?\s+(?:does|do|is|are|did)?\s*{X}\s+(?:actually |really |even |exactly )?(?:do"
        rf"|doing|does|about|for|"
        rf"good for|used for|supposed to do|responsible for|mean|stand for|return|returns|take|takes"
        rf"|accept|raise|raises|"
        rf"throw|expect|represent|represents){END}",
        rf"\b(?:explain|describe|summari[sz]e|document|walk me through|tell me (?:more )?about"
        rf"|give me (?:an? )?(?:summary|"
        rf"overview|explanation) of|help me understand|info(?:rmation)? (?:on|about)|details? (?:of|on"
        rf"|about))\s+"
        rf"(?:me\s+)?(?:what\s+|how\s+)?{X}(?:\s+(?:does|do|works?|is|means?|is for))?{END}",
        rf"\b(?:purpose|role|responsibility|job|meaning|signature|parameters?|arguments?"
        rf"|return (?:value|type)|behaviou?r|"
        rf"docs?|documentation)\s+(?:of|for|does)\s+{X}(?:\s+(?:have|take|accept))?{END}",
        rf"\bhow\s+(?:does|do|is|are)\s+{X}\s+(?:work|works|working|implemented|done|behave|function){END}",
        rf"\bwhat\s+(?:parameters?|arguments?|args|options|type)\s+(?:does|do|can|is|are)\s+{X}"
        rf"(?:\s+(?:take|takes|accept|have|return|get|support))?{END}",
        rf"\bwhat\s+happens\s+(?:in|inside|when (?:i|we|you)? ?(?:call|run|use)?)\s+{X}{END}",
        rf"\bhow\s+(?:do|can|would|should)\s+(?:i|we|you|one)\s+(?:use|call|invoke|run"
        rf"|instantiate)\s+{X}{END}",
        rf"^\s*what(?:'s|\s+is|\s+are)\s+{X}{END}",
        rf"^\s*(?:and\s+)?what about\s+{X}{END}",
    )
)
REPORT = re.compile(
    r"\b(?:which|what) (?:files?|modules?|code|parts?|places?)\b.{0,40}?\b(?:touch|change|changed"
    r"|edit|edited|modify|modified|"
    r"fix|fixed|patch|affected|involved|relevant|look at|update|updated|need to|must|should|would|relate)"
    r"|\bwhere (?:should|would|do|must|could|to) (?:i |we |you |one )?(?:need to |have to )?(?:make"
    r"|fix|start|look|change|edit|implement|add|"
    r"begin|put|patch)|\b(?:files|code|modules) (?:relevant|related) (?:to|for)\b|\blikely (?:files"
    r"|location)"
    r"|\bsteps to reproduce|\bexpected (?:behaviou?r|result)|\bactual (?:behaviou?r|result)"
    r"|\bbug report|\bfeature request"
    r"|\bwhat (?:would|do|should) (?:i|we) (?:need to|have to)? ?(?:touch|change|edit)",
    re.IGNORECASE,
)
HERE = (
    r"(?:this|the|our|your|that)\s+(?:\w+\s+)?(?:repo(?:sitory)?|project|code ?base|code|package"
    r"|library|app(?:lication)?|software)"
)
OVERVIEW = re.compile(
    rf"\b(?:what(?:'s| is| does| are)|describe|explain|summari[sz]e|overview of|tell me about"
    rf"|structure of|introduce|layout of"
    rf"|organi[sz]ation of|architecture of|parts of|purpose of|how is|how big is"
    rf"|outline of)\b.{{0,40}}?\b{HERE}\b"
    r"(?!\s+(?:that|which|where|in|for|of)\b)|\bentry ?points?\b|\bmain (?:modules?|packages?"
    r"|components?|parts|files?)\b"
    r"|\bproject (?:structure|layout|overview)\b|\b(?:directory|folder) structure\b"
    r"|\bwhich (?:programming )?languages?\b"
    r"|\bwhat (?:programming )?languages?\b|\bwhere (?:do|should|does) .{0,20}\b(?:start"
    r"|begin) (?:reading|execution)\b"
    r"|\bhow many (?:source )?files\b(?!.*\b(?:use|call|import|in)\b)|^\s*(?:give me an? )?overview\W*$",
    re.IGNORECASE,
)
POLITE = re.compile(
    r"^\s*(?:(?:hi|hello|hey|please|ok|okay|so|well|now|then|also|and|but|thanks)\b[,!.]?\s*|"
    r"(?:can|could|would|will) (?:you|u|we|someone)(?: please)?\s+(?:help me\s+)?|i(?:'d"
    r"| would) like (?:you )?to\s+|"
    r"i (?:want|need)(?: you)? to (?:know\s+)?|(?:do you know|tell me|let me know|show me|i wonder"
    r"|any idea|help me find)\s+"
    r"(?=where|what|who|which|how|why)|@\w+[,:]?\s+)+",
    re.IGNORECASE,
)
MAKE = re.compile(
    r"^\s*(?:let'?s\s+)?(?:write|refactor|rewrite|fix|add|implement|create|generate|change|rename"
    r"|optimi[sz]e|improve|design|"
    r"convert|migrate|port|translate|remove|delete|review|suggest|propose|simplify|clean up|make"
    r"|build|update|extend|replace|"
    r"move|extract|split|merge|document|debug|draft|modify|edit|patch|apply|install|upgrade|test|plan"
    r"|compare|evaluate|judge)\b"
    r"|\bhow (?:would|should|could|can|do|might) (?:i|we|you|one) (?:best )?(?!use\b|call\b|find\b"
    r"|run\b|invoke\b)\w+"
    r"|^\s*why\b|\bwhy (?:is|does|do|was|are|did|has|should|would)\b|\b(?:pros and cons|trade-?offs?"
    r"|better (?:way|approach)|"
    r"best (?:way|practice)|alternatives? to|difference between|compare|should (?:i|we|it)|what if we"
    r"|is it (?:safe|ok|wise|"
    r"possible|a good idea))\b",
    re.IGNORECASE,
)
IT = re.compile(
    r"\b(?:it|its|it's|this|that|these|those|them|they|their)(?!\s+\w*(?:repo|project|code|error"
    r"|traceback|exception|stack|"
    r"crash|bug|report|issue|log))\b(?:\s+(?:function|method|class|module|file|one|type|symbol|name"
    r"|thing)s?\b)?"
    r"|\bthe (?:same|above|previous|first|last)(?: one| function| method| class| file| module)?\b"
    r"|\bthe (?:function|method|class|module|file)(?=\s*(?:\?|$|is\b|do\b|does\b|defined\b|used\b"
    r"|called\b|work))",
    re.IGNORECASE,
)
MORE = re.compile(
    r"^\s*(?:and|what about|how about|and what about|also|or)\s+(?:of\s+|for\s+)?(?P<x>\S.*?)[\s?!.]*$",
    re.IGNORECASE,
)
